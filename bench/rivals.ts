/**
 * Gets the peers ready: starts their servers and a client process for each, and finds the fastest way to use
 * it.
 */
import { join } from "node:path";
import { type ClientProcess, startClient } from "./client-process.ts";
import { type Context, syncDisks } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { startJournalServer } from "./journal-server.ts";
import { median } from "./measure.ts";
import type { PeerName } from "./peers/all.ts";
import { journalVariants } from "./peers/journal-loop.ts";
import { inFlightVariants, waitingVariants } from "./peers/redis.ts";
import { startRedis } from "./redis-server.ts";
import type { RunRequest, RunResult } from "./run.ts";
import type { Scope } from "./scope.ts";

export type Job = Omit<RunRequest, "writer" | "probed">;

export interface Rival {
  readonly name: PeerName;
  readonly variant: string;
  run(job: Job): Promise<RunResult>;
}

export interface Variant {
  name: string;
  perSecond: number;
}

export interface Rivals {
  list: Rival[];
  /** The ways to use the peer that were tried, fastest first. */
  tried: Map<PeerName, Variant[]>;
  daemon: Daemon | undefined;
}

/** Starts the available peers. Each of them is warmed up when this resolves. */
export async function startRivals(
  context: Context,
  scope: Scope,
  names: readonly PeerName[],
  { inFlight }: { inFlight: boolean },
): Promise<Rivals> {
  const { root, available, say } = context;
  const rivals: Rivals = { list: [], tried: new Map(), daemon: undefined };
  for (const name of names.filter((name) => !available.skipped.has(name))) {
    const directory = join(root, name.replace(/\W+/g, "-"));
    if (name.startsWith("sessiond")) {
      rivals.daemon ??= await startDaemon(scope, join(root, "reports"));
      const { daemon } = rivals;
      const client = await startClient(scope, name, { directory, socket: daemon.socket, variant: "" });
      rivals.list.push(rival(client, daemon.pid, daemon));
    } else if (name === "Redis") {
      const server = await startRedis(scope, directory);
      const variants = inFlight ? inFlightVariants : waitingVariants;
      const clients: ClientProcess[] = [];
      for (const variant of variants) {
        clients.push(await startClient(scope, name, { directory, socket: server.socket, variant }));
      }
      const ready = clients.map((client) => rival(client, server.pid));
      rivals.list.push(await fastest(rivals, ready, inFlight));
    } else if (name === "bare lines and journal") {
      const { pid, socket } = await startJournalServer(scope, directory);
      rivals.list.push(rival(await startClient(scope, name, { directory, socket, variant: "" }), pid));
    } else {
      const variants = variantsOf(name, available.sqlite);
      const ready: Rival[] = [];
      for (const variant of variants) {
        const own = join(directory, variant.replace(/\W+/g, "-"));
        const client = await startClient(scope, name, { directory: own, socket: "", variant });
        ready.push(rival(client, client.pid));
      }
      rivals.list.push(await fastest(rivals, ready, inFlight));
    }
    say(`${name}: ready`);
  }
  for (const { name, run } of rivals.list) if (!rivals.tried.has(name)) await run(warmUp(inFlight));
  return rivals;
}

function variantsOf(name: PeerName, sqlite: string): readonly string[] {
  if (name === "bare journal loop") return journalVariants;
  return [name === "SQLite rows" ? sqlite : ""];
}

function rival(client: ClientProcess, writer: number, daemon?: Daemon): Rival {
  const probed = daemon && { pid: daemon.pid, stallFile: daemon.stallFile };
  return {
    name: client.name,
    variant: client.variant,
    run: (job) => client.run({ ...job, writer, ...(probed === undefined ? {} : { probed }) }),
  };
}

function warmUp(inFlight: boolean): Job {
  return { workers: 16, files: inFlight ? 20_000 : 2000, window: inFlight ? 1000 : 1, limitMs: 700 };
}

/** Finds the fastest way to use a peer that is warmed up. */
async function fastest(rivals: Rivals, ready: readonly Rival[], inFlight: boolean): Promise<Rival> {
  const [first] = ready as [Rival, ...Rival[]];
  if (ready.length === 1) return first;
  const tried = ready.map((rival) => ({ rival, name: rival.variant, rates: [] as number[], perSecond: 0 }));
  for (const { run } of ready) await run(warmUp(inFlight));
  for (let attempt = 0; attempt < 3; attempt++) {
    for (const entry of tried) {
      syncDisks();
      const { reports, ms } = await entry.rival.run({ ...warmUp(inFlight), limitMs: 400 });
      entry.rates.push((reports / ms) * 1000);
    }
  }
  for (const entry of tried) entry.perSecond = median(entry.rates);
  tried.sort((a, b) => b.perSecond - a.perSecond);
  const listed = tried.map(({ name, perSecond }) => ({ name, perSecond: Math.round(perSecond) }));
  rivals.tried.set(first.name, listed);
  return (tried[0] as { rival: Rival }).rival;
}
