/** One attempt at a file: its command, run once. */
import { constants } from "node:os";
import { Child, type ChildOptions, type Ended } from "./child.ts";
import { argumentFor } from "./dashed.ts";
import { isEndedWithUs } from "./ended-with-us.ts";
import type { Origin } from "./inputs.ts";
import type { JobLine } from "./joblog.ts";
import { startTrouble } from "./own-trouble.ts";
import { resultFiles } from "./result-files.ts";
import type { RunnerOptions } from "./runner-options.ts";
import { commandFor, commandLine } from "./template.ts";

export interface Item {
  readonly file: string;
  /**
   * Its number in the session, from 1: after the files of earlier runs, in the order in which files start.
   */
  readonly seq: number;
  /** Its place in the order of output, from 0. */
  readonly place: number;
  /** When its latest attempt began, in milliseconds of performance.now(). */
  startedMs: number;
  /** Number of the latest attempt, from 1; 0 before the first. */
  attempt: number;
  /** How often its command said "not now". */
  deferred: number;
  child: Child | undefined;
}

export function newItem(file: string, seq: number, place: number): Item {
  return { file, seq, place, startedMs: performance.now(), attempt: 0, deferred: 0, child: undefined };
}

/** What the work on a file must know of the run around it. */
export interface RunControl {
  /** Whether the run starts no further attempts. */
  isStopped(): boolean;
  /** Whether running commands are being stopped; their results do not count. */
  isKilling(): boolean;
  /** Whether the runner has trouble of its own, with which a file that fails now must not be charged. */
  isTroubled(): boolean;
  /** Called after each attempt with a result. */
  attempted(): void;
  changed(): void;
}

/** The outcome of an attempt. */
export interface Outcome {
  readonly ended: Ended;
  /** Start of the attempt, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly finishedMs: number;
  /** What the result says of the file and its command; called at once, if at all. */
  readonly origin: () => Promise<Origin>;
  readonly command: readonly string[];
}

/**
 * Runs the command of a file once. Undefined if that says nothing of the file, which stays pending.
 *
 * @throws OwnTrouble if the outcome of an attempt says nothing of the file
 */
export async function workOn(
  item: Item,
  options: RunnerOptions,
  control: RunControl,
): Promise<Outcome | undefined> {
  const { template, cwd, env, outputLimit, timeoutMs, inputs, resultsDir, places } = options;
  const command = commandFor(template, argumentFor(item.file, cwd));
  const files = resultsDir === undefined ? undefined : resultFiles(resultsDir, item.file, item.seq);
  const childOptions: ChildOptions = { file: item.file, command, cwd, env, outputLimit, files, timeoutMs };
  const origin = await inputs.begin(item.file);
  if (control.isStopped()) return undefined;
  item.attempt++;
  item.startedMs = performance.now();
  const startedMs = Date.now();
  const ended = await attempt(item, childOptions, options, control);
  if (control.isKilling() || (await isEndedWithUs(ended, control.isStopped))) return undefined;
  const hasFailed = ended.exitCode !== 0;
  const { error } = ended;
  const trouble =
    error === undefined ? undefined : startTrouble({ template, command, cwd, path: env.PATH, error });
  if (trouble !== undefined) throw trouble;
  places.check({ hasFailed });
  if (hasFailed && control.isTroubled()) return undefined;
  return { ended, startedMs, finishedMs: Date.now(), origin, command };
}

async function attempt(
  item: Item,
  childOptions: ChildOptions,
  { guard }: RunnerOptions,
  control: RunControl,
): Promise<Ended> {
  const child = new Child(childOptions);
  const { group } = child;
  if (group !== undefined) guard?.began(group);
  item.child = child;
  control.changed();
  try {
    return await child.ended;
  } finally {
    item.child = undefined;
    if (group !== undefined) guard?.ended(group);
  }
}

/** The log line as GNU parallel writes it: with a signal, the exit code is 0. */
export function jobLine({ ended, startedMs, command }: Outcome, seq: number): JobLine {
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
