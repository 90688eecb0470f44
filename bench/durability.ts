/**
 * Counts with strace the syncs of every peer. The benchmark fails if one does not sync, as the comparison
 * would be unfair.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startClient } from "./client-process.ts";
import type { Context } from "./context.ts";
import { startDaemon } from "./daemon.ts";
import { startJournalServer } from "./journal-server.ts";
import { type PeerName, peers } from "./peers/all.ts";
import { journalVariants } from "./peers/journal-loop.ts";
import { inFlightVariants } from "./peers/redis.ts";
import { startRedis } from "./redis-server.ts";
import { type Scope, within } from "./scope.ts";

export interface Durability {
  peer: PeerName;
  variant: string;
  /** The number of reports, made one at a time. */
  reports: number;
  /** The number of calls in 1,000 reports. */
  fdatasync: number;
  fsync: number;
  /** The number of writes to files that were opened with O_DSYNC or O_SYNC. */
  synchronous_writes: number;
  /** Whether there was at least one sync or synchronous write for each report. */
  durable: boolean;
}

const calls = "fsync,fdatasync,open,openat,close,write,writev,pwrite64,pwritev,pwritev2";

export async function durabilities(context: Context): Promise<Durability[]> {
  const { available, say } = context;
  const list: Durability[] = [];
  for (const peer of Object.keys(peers) as PeerName[]) {
    if (available.skipped.has(peer) || available.skipped.has("strace")) continue;
    for (const variant of variantsOf(peer, available.sqlite)) {
      list.push(await within((scope) => watch(context, scope, peer, variant)));
    }
    say(peer);
  }
  return list;
}

function variantsOf(peer: PeerName, sqlite: string): readonly string[] {
  if (peer === "Redis") return inFlightVariants;
  if (peer === "bare journal loop") return journalVariants;
  return [peer === "SQLite rows" ? sqlite : ""];
}

async function watch(
  { root, quick }: Context,
  scope: Scope,
  peer: PeerName,
  variant: string,
): Promise<Durability> {
  const directory = join(root, `traced-${peer}-${variant}`.replace(/\W+/g, "-"));
  const trace = `${directory}.strace`;
  // With -D strace is a grandchild and the traced process our child, which can be ended as usual.
  const wrap = ["strace", "-D", "-f", "-qq", "-o", trace, "-e", `trace=${calls}`];
  const settings = { directory, socket: "", variant };
  let client: Awaited<ReturnType<typeof startClient>>;
  let writer: { pid: number; stop?: () => Promise<void> };
  if (peer.startsWith("sessiond")) {
    const daemon = await startDaemon(scope, directory, { wrap });
    client = await startClient(scope, peer, { ...settings, socket: daemon.socket });
    writer = daemon;
  } else if (peer === "Redis") {
    const server = await startRedis(scope, directory, { wrap });
    client = await startClient(scope, peer, { ...settings, socket: server.socket });
    writer = server;
  } else if (peer === "bare lines and journal") {
    const server = await startJournalServer(scope, directory, { wrap });
    client = await startClient(scope, peer, { ...settings, socket: server.socket });
    writer = server;
  } else {
    client = await startClient(scope, peer, settings, wrap);
    writer = client;
  }
  const reports = quick ? 200 : 1000;
  const before = await stableCounts(trace);
  const job = { workers: 1, files: 2 * reports, window: 1, reports, limitMs: 120_000, writer: writer.pid };
  await client.run(job);
  const after = await stableCounts(trace);
  const each = (name: keyof Counts) => Math.round(((after[name] - before[name]) / reports) * 1000);
  const counted = {
    fdatasync: each("fdatasync"),
    fsync: each("fsync"),
    synchronous_writes: each("synchronous_writes"),
  };
  const synced = counted.fdatasync + counted.fsync + counted.synchronous_writes;
  return { peer, variant, reports, ...counted, durable: synced >= 1000 };
}

type Counts = Pick<Durability, "fdatasync" | "fsync" | "synchronous_writes">;

/** Counts the calls once no more appear, as a server writes other things at all times. */
async function stableCounts(trace: string): Promise<Counts> {
  for (let last = ""; ; ) {
    const counts = count(readFileSync(trace, "utf8"));
    if (JSON.stringify(counts) === last) return counts;
    last = JSON.stringify(counts);
    await sleep(300);
  }
}

/**
 * Follows descriptors from their opening, because the flags of the opening say whether writes are
 * synchronous.
 */
function count(text: string): Counts {
  const counts = { fdatasync: 0, fsync: 0, synchronous_writes: 0 };
  const synchronous = new Set<string>();
  const opening = new Map<string, boolean>();
  for (const line of text.split("\n")) {
    const [, pid = "", rest = ""] = /^(\d+) +(.*)/.exec(line) ?? [];
    const opened = / = (\d+)$/.exec(rest)?.[1];
    const [, call, first] = /^(\w+)\((\w+)/.exec(rest) ?? [];
    if (call === "fdatasync" || call === "fsync") counts[call]++;
    else if (call === "close") synchronous.delete(first as string);
    else if (call === "openat" || call === "open") {
      const isSynchronous = /O_D?SYNC/.test(rest);
      if (opened === undefined) opening.set(pid, isSynchronous);
      else if (isSynchronous) synchronous.add(opened);
    } else if (call?.includes("write") && synchronous.has(first as string)) counts.synchronous_writes++;
    else if (rest.includes("open") && rest.includes("resumed>") && opened !== undefined) {
      if (opening.get(pid)) synchronous.add(opened);
      opening.delete(pid);
    }
  }
  return counts;
}
