/**
 * Redis with an append-only file that is synced before every answer. A session is a list of done files and a
 * hash of results, changed together by MULTI. Several client libraries and ways to use them are tried first,
 * and the fastest is measured.
 */
import { nextResult } from "../work.ts";
import { loadPackage } from "./packages.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

/** For workers that wait for each report. */
export const waitingVariants = ["node-redis MULTI", "ioredis MULTI"];
/**
 * For many reports in flight. The last way is not atomic: a file may be listed as done without its result.
 */
export const inFlightVariants = [...waitingVariants, "ioredis auto-pipelining without MULTI"];

interface Commands {
  report(session: string, file: string): Promise<unknown>;
  count(session: string): Promise<number>;
  flush(): Promise<unknown>;
  end(): unknown;
}

export async function redis({ socket, variant }: PeerSettings): Promise<Peer> {
  const connect = variant.startsWith("node-redis") ? await nodeRedis(socket) : await ioredis(socket, variant);
  const control = await connect();
  return {
    open: async (session) => reporter(await connect(), session),
    async clear() {
      await control.flush();
    },
    async close() {
      await control.end();
    },
  };
}

function reporter(commands: Commands, session: string): Reporter {
  return {
    report: (file) => commands.report(session, file),
    async finishDeferred() {},
    stored: () => commands.count(session),
    async close() {
      await commands.end();
    },
  };
}

interface NodeRedisModule {
  createClient(options: object): {
    connect(): Promise<unknown>;
    multi(): NodeRedisMulti;
    lLen(key: string): Promise<number>;
    flushAll(): Promise<unknown>;
    close(): Promise<void>;
    on(event: "error", listener: (error: Error) => void): unknown;
  };
}

interface NodeRedisMulti {
  rPush(key: string, value: string): NodeRedisMulti;
  hSet(key: string, field: string, value: string): NodeRedisMulti;
  exec(): Promise<unknown>;
}

async function nodeRedis(path: string): Promise<() => Promise<Commands>> {
  const { createClient } = await loadPackage<NodeRedisModule>("redis");
  return async () => {
    const client = createClient({ socket: { path } });
    client.on("error", () => {});
    await client.connect();
    return {
      report: (session, file) =>
        client
          .multi()
          .rPush(`${session}:processed`, file)
          .hSet(`${session}:results`, file, JSON.stringify(nextResult()))
          .exec(),
      count: (session) => client.lLen(`${session}:processed`),
      flush: () => client.flushAll(),
      end: () => client.close(),
    };
  };
}

interface IoredisModule {
  default: new (
    options: object,
  ) => IoredisCommands & {
    multi(): IoredisCommands & { exec(): Promise<[Error | null, unknown][] | null> };
    llen(key: string): Promise<number>;
    flushall(): Promise<unknown>;
    quit(): Promise<unknown>;
    ping(): Promise<unknown>;
  };
}

interface IoredisCommands {
  rpush(key: string, value: string): Promise<unknown>;
  hset(key: string, field: string, value: string): Promise<unknown>;
}

async function ioredis(path: string, variant: string): Promise<() => Promise<Commands>> {
  const { default: Redis } = await loadPackage<IoredisModule>("ioredis");
  const enableAutoPipelining = variant.includes("auto-pipelining");
  return async () => {
    const client = new Redis({ path, enableAutoPipelining });
    await client.ping();
    const plain = (session: string, file: string) =>
      Promise.all([
        client.rpush(`${session}:processed`, file),
        client.hset(`${session}:results`, file, JSON.stringify(nextResult())),
      ]);
    const atomic = async (session: string, file: string) => {
      const transaction = client.multi();
      void transaction.rpush(`${session}:processed`, file);
      void transaction.hset(`${session}:results`, file, JSON.stringify(nextResult()));
      const replies = await transaction.exec();
      const error = replies?.find(([error]) => error !== null)?.[0];
      if (replies === null || error) throw error ?? new Error("Redis did not execute a transaction");
    };
    return {
      report: enableAutoPipelining ? plain : atomic,
      count: (session) => client.llen(`${session}:processed`),
      flush: () => client.flushall(),
      end: () => client.quit(),
    };
  };
}
