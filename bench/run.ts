/**
 * One round of one peer: sessions are opened, reports are timed, and what the peer has is compared with what
 * it acknowledged.
 */

import { quantile, Samples } from "./measure.ts";
import type { Peer, Reporter } from "./peers/peer.ts";
import { longestStall, type Probed, writtenBytes } from "./process-facts.ts";
import { fileNames } from "./work.ts";

export interface RunRequest {
  /** Workers with a session of their own each. */
  workers: number;
  /** Files of each session. */
  files: number;
  /** So many of them are done before the round begins. */
  done?: number;
  /** Reports that each worker may have in flight; 1 waits for every acknowledgement. */
  window: number;
  /** The round ends after this long, or when the first worker has no more files. */
  limitMs: number;
  /** Each worker makes at most this many reports; beyond its files it begins with the first file again. */
  reports?: number;
  /** Whether what the peer put off is to be done, and counted, before the round ends. */
  settle?: boolean;
  /** The process that writes. */
  writer: number;
  /** The daemon, if its event loop is to be watched. */
  probed?: Probed;
}

export interface RunResult {
  reports: number;
  /**
   * From the first report to the last acknowledgement, and to what the peer had put off, if that was asked
   * for.
   */
  ms: number;
  p50: number;
  p99: number;
  /** A worker's first report is not among those timed: statements are prepared then, and sessions loaded. */
  firstMs: number;
  writtenBytes: number;
  stallMs: number | null;
}

export async function run(peer: Peer, request: RunRequest): Promise<RunResult> {
  const names = fileNames(request.files);
  const { done = 0 } = request;
  const opened: Reporter[] = [];
  for (let worker = 0; worker < request.workers; worker++) {
    opened.push(await peer.open(`session-${worker}`, names, done));
  }
  const beforeFirst = performance.now();
  await Promise.all(opened.map((reporter) => reporter.report(names[done] as string)));
  const firstMs = performance.now() - beforeFirst;

  if (request.probed !== undefined) await longestStall(request.probed);
  const written = writtenBytes(request.writer);
  const latencies = new Samples();
  const begun = performance.now();
  const ends = { at: begun + request.limitMs };
  const reported = await Promise.all(
    opened.map((reporter) => work(reporter, names, request, ends, latencies)),
  );
  if (request.settle) for (const reporter of opened) await reporter.settle();
  const ms = performance.now() - begun;
  const stallMs = request.probed === undefined ? null : await longestStall(request.probed);
  const bytes = writtenBytes(request.writer) - written;

  for (const [worker, reporter] of opened.entries()) {
    const acknowledged = Math.min(request.files, done + (reported[worker] as number) + 1);
    const stored = await reporter.stored();
    if (stored !== acknowledged) {
      throw new Error(`${acknowledged} files were acknowledged to a worker, and ${stored} are there`);
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

/** Reports one file after the other, and says how many. */
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
  // Fewer workers would be another measurement.
  if (next >= limit) ends.at = 0;
  return next;
}
