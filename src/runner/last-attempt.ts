/** An attempt at a file: its result, what follows from it, and how that becomes durable. */
import { type Item, jobLine, type Outcome, type RunControl, workOn } from "./attempts.ts";
import type { FullDisk } from "./full-disk.ts";
import { record } from "./recorder.ts";
import { asJson, type FileResult, fileResult, withoutOutput } from "./result.ts";
import type { RunWorker } from "./run-session.ts";
import type { FileEnd, RunnerOptions } from "./runner-options.ts";
import { type Again, atFault, type Starts } from "./starts.ts";

export interface LastAttempt {
  readonly outcome: Outcome;
  readonly result: FileResult;
}

/** The file comes again. What the attempt has spent is to be recorded before, if it has spent anything. */
export interface NotLast extends Again {
  readonly spent: LastAttempt | undefined;
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
): Promise<LastAttempt | NotLast | undefined> {
  const outcome = await workOn(item, options, control);
  if (outcome === undefined) return undefined;
  const { attempt: attempts, deferred } = item;
  const result = fileResult({ ...outcome, attempts, deferred, timeoutMs: options.timeoutMs });
  const spent = options.spending?.count(item.file, asJson(result));
  if (spent !== undefined) result.spent = spent;
  const verdict = starts.attempted(item, result, performance.now());
  control.attempted();
  if (typeof verdict === "object")
    return { ...verdict, spent: spent === undefined ? undefined : { outcome, result } };
  if (verdict === "at fault") result.error = atFault;
  return { outcome, result: { ...result, ...(await outcome.origin()) } };
}

export interface Recording {
  readonly worker: RunWorker;
  readonly options: RunnerOptions;
  readonly disk: FullDisk;
  say(line: string): void;
  /** The job log takes no write; the result is durable nevertheless. */
  failed(error: unknown): void;
}

/** Resolves when the result is durable. @throws what `WorkerSession.report` does */
export async function recordLast(item: Item, last: LastAttempt, recording: Recording): Promise<FileEnd> {
  const { ended } = last.outcome;
  const {
    options: { joblog },
    failed,
  } = recording;
  await report(item.file, last, { isProcessed: true }, recording);
  try {
    joblog?.add(jobLine(last.outcome, item.seq));
  } catch (error) {
    failed(error);
  }
  return { file: item.file, result: last.result, stdout: ended.stdout.bytes, stderr: ended.stderr.bytes };
}

/** As {@link recordLast}, for an attempt that leaves its file pending. */
export function recordSpent({ file }: Item, attempt: LastAttempt, recording: Recording): Promise<void> {
  return report(file, attempt, { isProcessed: false }, recording);
}

function report(
  file: string,
  { outcome, result }: LastAttempt,
  { isProcessed }: { isProcessed: boolean },
  { worker, options: { patienceMs }, disk, say }: Recording,
): Promise<void> {
  const smaller = () => asJson(withoutOutput(result, outcome.ended));
  return record({ worker, patienceMs, disk, say, isProcessed }, file, asJson(result), smaller);
}
