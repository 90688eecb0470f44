/** The attempt with which a file ends: its result, and how that becomes durable. */
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { type Item, jobLine, type Outcome, type RunControl, workOn } from "./attempts.ts";
import { record } from "./recorder.ts";
import { asJson, type FileResult, fileResult, withoutOutput } from "./result.ts";
import type { FileEnd, RunnerOptions } from "./runner-options.ts";
import { type Again, atFault, type Starts } from "./starts.ts";

export interface LastAttempt {
  readonly outcome: Outcome;
  readonly result: FileResult;
}

/**
 * Makes an attempt at a file. Undefined if the file stays pending, and this run does not try it again.
 *
 * @throws OwnTrouble if the outcome says nothing of the file
 */
export async function attemptAt(
  item: Item,
  starts: Starts,
  options: RunnerOptions,
  control: RunControl,
): Promise<LastAttempt | Again | undefined> {
  const outcome = await workOn(item, options, control);
  if (outcome === undefined) return undefined;
  const { attempt: attempts, deferred } = item;
  const result = fileResult({ ...outcome, attempts, deferred, timeoutMs: options.timeoutMs });
  const verdict = starts.attempted(item, result, performance.now());
  if (typeof verdict === "object") return verdict;
  if (verdict === "at fault") result.error = atFault;
  return { outcome, result: { ...result, ...(await outcome.origin()) } };
}

export interface Recording {
  readonly worker: WorkerSession;
  readonly options: RunnerOptions;
  say(line: string): void;
  /** The job log takes no write; the result is durable nevertheless. */
  failed(error: unknown): void;
}

/** Resolves when the result is durable. @throws what `WorkerSession.report` does */
export async function recordLast(item: Item, last: LastAttempt, recording: Recording): Promise<FileEnd> {
  const { ended } = last.outcome;
  const { worker, options, say, failed } = recording;
  const { patienceMs, joblog } = options;
  const smaller = () => asJson(withoutOutput(last.result, ended));
  await record({ worker, patienceMs, say }, item.file, asJson(last.result), smaller);
  try {
    joblog?.add(jobLine(last.outcome, item.seq));
  } catch (error) {
    failed(error);
  }
  return { file: item.file, result: last.result, stdout: ended.stdout.bytes, stderr: ended.stderr.bytes };
}
