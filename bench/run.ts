/**
 * Runs one round of one peer: opens sessions, times reports, and checks that the peer has stored all that it
 * acknowledged.
 */

import { quantile, Samples } from "./measure.ts";
import type { Peer, Reporter } from "./peers/peer.ts";
import { longestStall, type Probed, writtenBytes } from "./process-facts.ts";
import { fileNames } from "./work.ts";

export interface RunRequest {
  /** What the names of the sessions begin with, where several client processes share the sessions. */
  prefix?: string;
  /** The number of workers, each with a session of its own. */
  workers: number;
  /** The number of files in each session. */
  files: number;
  /** How many of them are done before the round begins. */
  done?: number;
  /** How many reports each worker may have in flight. With 1, it waits for every acknowledgement. */
  window: number;
  /** The round ends after this time, or when the first worker has no more files. */
  limitMs: number;
  /** The maximum number of reports of each worker. After its last file it begins with the first again. */
  reports?: number;
  /** Whether the round includes the work that the peer has deferred. */
  includeDeferred?: boolean;
  /** The id of the process that writes. */
  writer: number;
  /** The daemon, if the stalls of its event loop are measured. */
  probed?: Probed;
}

export interface RunResult {
  reports: number;
  /**
   * The time from the first report to the last acknowledgement, or to the end of the deferred work if
   * included.
   */
  ms: number;
  p50: number;
  p99: number;
  /** Excludes each worker's first report, which prepares statements and loads sessions. */
  firstMs: number;
  writtenBytes: number;
  stallMs: number | null;
}

/** `together` resolves when the client processes that measure at the same time are ready as well. */
export async function run(
  peer: Peer,
  request: RunRequest,
  together: () => Promise<unknown> = async () => {},
): Promise<RunResult> {
  const names = fileNames(request.files);
  const { done = 0, prefix = "" } = request;
  const opened: Reporter[] = [];
  for (let worker = 0; worker < request.workers; worker++) {
    opened.push(await peer.open(`${prefix}session-${worker}`, names, done));
  }
  const beforeFirst = performance.now();
  await Promise.all(opened.map((reporter) => reporter.report(names[done] as string)));
  const firstMs = performance.now() - beforeFirst;

  await together();
  if (request.probed !== undefined) await longestStall(request.probed);
  const written = writtenBytes(request.writer);
  const latencies = new Samples();
  const begun = performance.now();
  const ends = { at: begun + request.limitMs };
  const reported = await Promise.all(
    opened.map((reporter) => work(reporter, names, request, ends, latencies)),
  );
  if (request.includeDeferred) for (const reporter of opened) await reporter.finishDeferred();
  const ms = performance.now() - begun;
  const stallMs = request.probed === undefined ? null : await longestStall(request.probed);
  const bytes = writtenBytes(request.writer) - written;

  for (const [worker, reporter] of opened.entries()) {
    const acknowledged = Math.min(request.files, done + (reported[worker] as number) + 1);
    const stored = await reporter.stored();
    if (stored !== acknowledged) {
      throw new Error(`${acknowledged} files of a worker were acknowledged, but ${stored} are stored`);
    }
    await reporter.close();
  }
  await peer.clear();
  return {
    reports: latencies.size,
    ms,
    p50: quantile(latencies.all(), 0.5),
    p99: quantile(latencies.all(), 0.99),
    firstMs,
    writtenBytes: bytes,
    stallMs,
  };
}

/** Reports one file after another, and returns how many. */
async function work(
  reporter: Reporter,
  names: readonly string[],
  request: RunRequest,
  ends: { at: number },
  latencies: Samples,
): Promise<number> {
  const { done = 0 } = request;
  const limit = request.reports ?? names.length - done - 1;
  let next = 0;
  const lane = async () => {
    for (let now = performance.now(); next < limit && now < ends.at; ) {
      next++;
      await reporter.report(names[(done + next) % names.length] as string);
      const then = performance.now();
      latencies.add(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: Math.min(request.window, limit) }, lane));
  // A round with fewer workers would measure something else.
  if (next >= limit) ends.at = 0;
  return next;
}
