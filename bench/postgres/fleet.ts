/**
 * Measures three daemons on one database: their reports against those of one, and how soon one hears of
 * another.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClientProcess, startClient } from "../client-process.ts";
import { type Context, syncDisks } from "../context.ts";
import type { Daemon } from "../daemon.ts";
import { median, quantile, rounded } from "../measure.ts";
import type { Scope } from "../scope.ts";
import { config } from "../work.ts";

export interface Fleet {
  in_flight: boolean;
  /** All of them, over three client processes. */
  workers: number;
  daemons: 1 | 3;
  per_second: number;
  rounds: number[];
}

/** From a request to one daemon until the event is in another's stream. */
export interface EventGap {
  changes: number;
  p50_ms: number;
  p99_ms: number;
}

/** The client processes are three in any case: only what they connect to differs. */
export async function fleet(context: Context, scope: Scope, daemons: readonly Daemon[]): Promise<Fleet[]> {
  const list: Fleet[] = [];
  for (const inFlight of [true, false]) {
    const name = inFlight ? "sessiond, library" : "sessiond, channel";
    const clientsOf = (sockets: readonly string[]) =>
      Promise.all(sockets.map((socket) => startClient(scope, name, { directory: "", socket, variant: "" })));
    const sockets = daemons.map(({ socket }) => socket);
    const three = await clientsOf(sockets);
    const one = await clientsOf(sockets.map(() => sockets[0] as string));
    const workersEach = inFlight ? 5 : 21;
    const rates = { 1: [] as number[], 3: [] as number[] };
    const limitMs = context.quick ? 500 : 1500;
    // Three daemons take longer until their code is compiled for speed.
    for (let n = 0; n < 2; n++) await rate(three, inFlight, workersEach, 1000);
    await rate(one, inFlight, workersEach, 700);
    for (let round = 0; round < context.rounds; round++) {
      for (const number of round % 2 === 0 ? ([1, 3] as const) : ([3, 1] as const)) {
        syncDisks();
        rates[number].push(await rate(number === 1 ? one : three, inFlight, workersEach, limitMs));
      }
      context.say(`round ${round + 1} of ${context.rounds}`);
    }
    for (const number of [1, 3] as const) {
      const rounds = rates[number].map(Math.round);
      const workers = workersEach * daemons.length;
      list.push({ in_flight: inFlight, workers, daemons: number, per_second: median(rounds), rounds });
    }
    await Promise.all([...one, ...three].map((client) => client.close()));
  }
  return list;
}

/** Files per second of all client processes, which begin at the same time. */
async function rate(
  clients: readonly ClientProcess[],
  inFlight: boolean,
  workers: number,
  limitMs: number,
): Promise<number> {
  const job = { workers, files: inFlight ? 20_000 : 2000, window: inFlight ? 1000 : 1, limitMs };
  const ready = await Promise.all(
    clients.map((client, at) => client.open({ ...job, prefix: `client-${at}-`, writer: process.pid })),
  );
  const results = await Promise.all(ready.map((begin) => begin()));
  return results.reduce((sum, { reports, ms }) => sum + (reports / ms) * 1000, 0);
}

/** Pauses and resumes a session on one daemon, and waits for each event of another. */
export async function eventGap(context: Context, from: Daemon, to: Daemon): Promise<EventGap> {
  const changes = context.quick ? 100 : 500;
  const id = "gap";
  await from.client.createSession({ session_id: id, config, pending_files: ["a"] });
  const ended = new AbortController();
  const arrived = new EventTarget();
  const following = (async () => {
    for await (const { kind } of to.client.events({ sessions: [id], signal: ended.signal }))
      arrived.dispatchEvent(new Event(kind));
  })();
  await once(arrived, "reset");
  const times: number[] = [];
  for (let n = 0; n < changes; n++) {
    // Quiet before each change, as the first of several is told of at once.
    await sleep(20);
    const told = once(arrived, "session.status");
    const begun = performance.now();
    const changed = n % 2 === 0 ? from.client.pauseSession(id) : from.client.resumeSession(id);
    await told;
    times.push(performance.now() - begun);
    await changed;
  }
  ended.abort();
  await following;
  await from.client.deleteSession(id, { purge: true });
  return { changes, p50_ms: rounded(quantile(times, 0.5)), p99_ms: rounded(quantile(times, 0.99)) };
}
