/** The work on one file: its command, run until it succeeds or has no attempts left. */
import { constants } from "node:os";
import { resolve } from "node:path";
import { Child, type ChildOptions, type Ended } from "./child.ts";
import { type Fingerprint, takeFingerprint } from "./fingerprint.ts";
import type { JobLine } from "./joblog.ts";
import { resultFiles } from "./result-files.ts";
import type { RunnerOptions } from "./runner-options.ts";
import { commandFor, commandLine } from "./template.ts";

export interface Item {
  readonly file: string;
  /** From 0, in the order of the run. */
  readonly place: number;
  /** When its last attempt began, in milliseconds of performance.now(). */
  startedMs: number;
  /** From 1; 0 before the first. */
  attempt: number;
  child: Child | undefined;
}

/** How the run goes on meanwhile. */
export interface Course {
  /** Nothing more is to be begun. */
  isStopped(): boolean;
  /** What runs is being ended, and is not to count. */
  isKilling(): boolean;
  changed(): void;
}

/** What came of a file, for good. */
export interface Done {
  readonly ended: Ended;
  /** Of the last attempt, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly fingerprint: Fingerprint | undefined;
  readonly command: readonly string[];
}

/** Undefined if the file is to stay pending. @throws when the machine, and not the command, is why it cannot be run */
export async function workOn(
  item: Item,
  seq: number,
  options: RunnerOptions,
  course: Course,
): Promise<Done | undefined> {
  const { template, cwd, env, outputLimit, timeoutMs, retries, alwaysHash, resultsDir } = options;
  const command = commandFor(template, item.file);
  // Taken before, so that a change that is made meanwhile is one.
  const fingerprint = await takeFingerprint(resolve(cwd, item.file), alwaysHash);
  const files = resultsDir === undefined ? undefined : resultFiles(resultsDir, item.file, seq);
  const childOptions: ChildOptions = { command, cwd, env, outputLimit, files, timeoutMs };
  // Attempts that are left when the run is stopped are for the next one.
  while (!course.isStopped()) {
    item.attempt++;
    item.startedMs = performance.now();
    const startedMs = Date.now();
    const ended = await attempt(item, childOptions, options, course);
    if (course.isKilling()) return undefined;
    if (ended.exitCode === 0 || item.attempt > retries) {
      return { ended, startedMs, finishedMs: Date.now(), fingerprint, command };
    }
    course.changed();
  }
  return undefined;
}

async function attempt(
  item: Item,
  childOptions: ChildOptions,
  { guard }: RunnerOptions,
  course: Course,
): Promise<Ended> {
  const child = new Child(childOptions);
  const { group } = child;
  if (group !== undefined) guard?.began(group);
  item.child = child;
  course.changed();
  try {
    return await child.ended;
  } finally {
    item.child = undefined;
    if (group !== undefined) guard?.ended(group);
  }
}

/** As GNU parallel logs it: a signal counts apart from the exit code. */
export function jobLine({ ended, startedMs, command }: Done, seq: number): JobLine {
  const bySignal = ended.signal !== undefined;
  return {
    seq,
    startedMs,
    durationMs: ended.durationMs,
    received: ended.stdout.total,
    exitCode: bySignal && !ended.timedOut ? 0 : ended.exitCode,
    signal: bySignal ? constants.signals[ended.signal as NodeJS.Signals] : 0,
    command: commandLine(command),
  };
}
