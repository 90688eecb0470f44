/** Measures durable reports per second: with one report in flight a worker, and with many. */
import type { Context } from "./context.ts";
import type { PeerName } from "./peers/all.ts";
import { type Job, startRivals } from "./rivals.ts";
import { playRounds, type Throughput, type Tried, throughput, variantsTried } from "./rounds.ts";
import { within } from "./scope.ts";

export interface Reports {
  peers: Throughput[];
  /** The ways to use a peer that were tried first. The fastest was measured. */
  tried: Tried[];
}

const waitingPeers: PeerName[] = [
  "sessiond, channel",
  "sessiond, HTTP",
  "Redis",
  "SQLite rows",
  "whole JSON file",
  "bare lines and journal",
  "bare journal loop",
];
const inFlightPeers: PeerName[] = ["sessiond, library", "Redis", "bare journal loop"];

/** More files than a round can report. */
const waitingFiles = { 1: 10_000, 16: 2000, 64: 2000 };

export function reportsWaiting(context: Context): Promise<Reports> {
  const limitMs = context.quick ? 400 : 1500;
  return compare(
    context,
    waitingPeers,
    Object.entries(waitingFiles).map(([workers, files]) => ({
      workers: Number(workers),
      files,
      window: 1,
      limitMs,
    })),
  );
}

export function reportsInFlight(context: Context): Promise<Reports> {
  const [limitMs, allFiles] = context.quick ? [500, 120_000] : [1500, 320_000];
  return compare(
    context,
    inFlightPeers,
    [1, 16, 64].map((workers) => ({ workers, files: allFiles / workers, window: 1000, limitMs })),
  );
}

function compare(context: Context, names: readonly PeerName[], jobs: readonly Job[]): Promise<Reports> {
  return within(async (scope) => {
    const inFlight = jobs.some(({ window }) => window > 1);
    const rivals = await startRivals(context, scope, names, { inFlight });
    const measured = await playRounds(
      context,
      rivals.list,
      jobs.map((job) => () => job),
    );
    return { peers: measured.map(throughput), tried: variantsTried(rivals) };
  });
}
