/**
 * A network between a daemon and PostgreSQL that can fail: it holds or delays what passes, refuses and cuts
 * connections, and loses the reply to one statement that was carried out.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Address, freePort } from "./cluster.ts";
import { handOver, ownedDirectory } from "./programs.ts";

/** What a server sends when it is idle again, outside of a transaction: what was asked is done. */
const readyIdle = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export interface NetworkProxy extends Address {
  /** The connections that are open through it. */
  readonly connections: number;
  /** Breaks every connection. */
  cut(): void;
  /** While true, new connections are broken at once. */
  refuse(refused: boolean): void;
  /** While true nothing passes and nothing is broken; what came meanwhile passes afterwards. */
  hold(held: boolean): void;
  /** Every chunk takes this much longer, in milliseconds, in each direction. */
  delay(ms: number): void;
  /**
   * Of the next statement whose bytes hold `text`, the reply is lost, and the connection breaks. Resolves
   * then: the server has carried the statement out, and nobody was told. It must be one that ends its
   * transaction.
   */
  loseReply(text: string): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  client: Socket;
  server: Socket;
}

/** Starts one. Its caller closes it. */
export async function startProxy(to: Address): Promise<NetworkProxy> {
  // A standby connects as the user of its server.
  const host = ownedDirectory();
  const port = await freePort();
  const pairs = new Set<Pair>();
  let refused = false;
  let delayMs = 0;
  let held: { released: Promise<void>; release: () => void } | undefined;
  let losing: { text: string; lost: () => void; by?: Pair } | undefined;

  function end(pair: Pair): void {
    pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }

  /** In the order in which it came; `see` returns whether a chunk is to pass. */
  function pass(pair: Pair, from: Socket, into: Socket, see: (chunk: Buffer) => boolean): void {
    let last = Promise.resolve();
    from.on("data", (chunk: Buffer) => {
      const waits = delayMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, delayMs));
      last = last.then(async () => {
        await waits;
        while (held !== undefined) await held.released;
        if (pairs.has(pair) && see(chunk)) into.write(chunk);
      });
    });
    from.on("error", () => end(pair));
    from.on("close", () => void last.then(() => end(pair)));
  }

  function accept(client: Socket): void {
    if (refused) {
      client.on("error", () => {});
      client.destroy();
      return;
    }
    const pair = { client, server: connect(join(to.host, `.s.PGSQL.${to.port}`)) };
    pairs.add(pair);
    pass(pair, client, pair.server, (chunk) => {
      if (losing !== undefined && losing.by === undefined && chunk.includes(losing.text)) losing.by = pair;
      return true;
    });
    pass(pair, pair.server, client, (chunk) => {
      if (losing?.by !== pair) return true;
      if (chunk.subarray(-readyIdle.length).equals(readyIdle)) {
        end(pair);
        losing.lost();
        losing = undefined;
      }
      return false;
    });
  }

  const servers: Server[] = [
    createServer(accept).listen(join(host, `.s.PGSQL.${port}`)),
    createServer(accept).listen(port, "127.0.0.1"),
  ];
  await Promise.all(servers.map((server) => once(server, "listening")));
  handOver(join(host, `.s.PGSQL.${port}`));

  return {
    host,
    port,
    get connections() {
      return pairs.size;
    },
    cut() {
      for (const pair of pairs) end(pair);
    },
    refuse(value) {
      refused = value;
    },
    hold(value) {
      held?.release();
      held = value ? deferred() : undefined;
    },
    delay(ms) {
      delayMs = ms;
    },
    loseReply: (text) =>
      new Promise((resolve) => {
        losing = { text, lost: resolve };
      }),
    async close() {
      held?.release();
      held = undefined;
      for (const pair of pairs) end(pair);
      await Promise.all(
        servers.map(async (server) => {
          server.close();
          await once(server, "close");
        }),
      );
      rmSync(host, { recursive: true, force: true });
    },
  };
}

/** One that is gone when the test ends. */
export async function testProxy(to: Address): Promise<NetworkProxy> {
  const proxy = await startProxy(to);
  onTestFinished(() => proxy.close());
  return proxy;
}

function deferred(): { released: Promise<void>; release: () => void } {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { released, release };
}
