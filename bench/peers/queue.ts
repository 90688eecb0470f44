/**
 * What a job queue is as a peer: it gives out the files itself, so that its workers are timed as they take
 * them.
 */
import { quantile, Samples } from "../measure.ts";
import type { RunRequest, RunResult } from "../run.ts";

export interface Queue {
  /** Enters `files` jobs in all, and works on them until the time is over, or none is left. */
  measure(request: RunRequest): Promise<RunResult>;
  close(): Promise<void>;
}

/** @throws if other jobs are left than those that were not done */
export function drained(
  entered: number,
  left: number,
  done: number,
  ms: number,
  latencies = new Samples(),
): RunResult {
  if (left !== entered - done) throw new Error(`${done} of ${entered} jobs are done, but ${left} are left`);
  const times = latencies.all();
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  return { reports: done, ms, p50, p99, firstMs: 0, writtenBytes: 0, stallMs: null };
}
