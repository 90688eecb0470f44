/** Carries out a run: opens its outputs and its session, and takes the signals. */
import { ConnectionError } from "../../client/http/connection-error.ts";
import { BeginAnew } from "../../runner/begin-anew.ts";
import type { Depends } from "../../runner/depends.ts";
import { openShared, type SharedOpening } from "../../runner/open-shared.ts";
import { type Opened, type Opening, openSession, rememberOptions } from "../../runner/session-run.ts";
import type { Template } from "../../runner/template.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import type { Failure } from "../failures.ts";
import { absolutePath } from "../host-process.ts";
import { onBrokenOutput, takeSignals } from "../signals.ts";
import { ActiveRun } from "./active-run.ts";
import type { KeepOption } from "./changed.ts";
import { nothingToDo } from "./ending.ts";
import type { LeftToLookAt } from "./left-to-look-at.ts";
import type { RunOptions } from "./options.ts";
import { openOutputs } from "./outputs.ts";

export interface Execution {
  readonly opening: Opening | SharedOpening;
  /** Whether the run says the id of its session, because it is a new one. */
  readonly tellsId: boolean;
  readonly template: Template;
  readonly cwd: string;
  readonly depends: Depends | undefined;
  /** Directory for the whole output of each file. */
  readonly resultsDir: string | undefined;
  readonly options: RunOptions;
  /** The first files that failed in earlier runs and are not run again. */
  readonly failedBefore: readonly Failure[];
  readonly unseen: LeftToLookAt | undefined;
  readonly keptBy: KeepOption | undefined;
}

const asProcessOne =
  "this run is process 1 of its container, and cannot collect the processes that commands leave behind: " +
  "start the container with an init, such as: docker run --init";

/** @throws BeginAnew */
export async function execute(context: Context, execution: Execution): Promise<ExitCode> {
  const { opening } = execution;
  if (opening.selection.files.length === 0 && execution.unseen === undefined) {
    const done = nothingToDo(context.out, opening, execution.failedBefore);
    if (done !== undefined) {
      await rememberOptions(opening);
      return done;
    }
  }
  const { process } = context;
  const { joblog } = execution.options;
  const outputs = openOutputs({
    resultsDir: execution.resultsDir,
    joblog: joblog === undefined ? undefined : absolutePath(process, joblog),
  });
  // Before there is a session to pause, the second signal ends the process.
  let onSignal = (count: number): void => {
    if (count > 1) process.exit(exitCodes.interrupted);
  };
  let signals = 0;
  const restoreSignals = takeSignals(process, (count) => {
    signals = count;
    onSignal(count);
  });
  let onBroken = (_reason: string): void => {};
  const restoreStreams = onBrokenOutput(context.out.broken, process.stderr, (reason) => onBroken(reason));
  try {
    if (process.pid === 1) context.out.say(asProcessOne);
    const opened = await open(opening).catch((error: unknown) => {
      if (!(error instanceof BeginAnew) || signals === 0) throw error;
    });
    if (opened === undefined) return exitCodes.interrupted;
    const run = new ActiveRun(context, execution, opened, outputs);
    onSignal = (count) => run.interrupt(count);
    onBroken = (reason) => run.outputBroken(reason);
    if (signals > 0) run.interrupt(signals);
    return await run.finish();
  } finally {
    restoreSignals();
    restoreStreams();
    outputs.joblog?.close();
  }
}

/** Each step of the preparation may be made again after a step of which nobody knows whether it was made. */
async function open(opening: Opening | SharedOpening): Promise<Opened> {
  try {
    return "seat" in opening ? await openShared(opening) : await openSession(opening);
  } catch (error) {
    const isUnsure = error instanceof ConnectionError && error.reason === "closed";
    throw isUnsure ? new BeginAnew(error) : error;
  }
}
