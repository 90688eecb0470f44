/** Carries out a run: its session, signals, display, final message and exit code. */
import { resolve } from "node:path";
import type { WorkerSession } from "../../client/worker/worker-session.ts";
import { Guard } from "../../runner/guard.ts";
import { JobLog } from "../../runner/joblog.ts";
import { markVariable } from "../../runner/mark.ts";
import { Runner } from "../../runner/runner.ts";
import type { RunSummary, Stop } from "../../runner/runner-options.ts";
import { finishSession, type Opened, type Opening, openSession } from "../../runner/session-run.ts";
import type { Template } from "../../runner/template.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import type { Context } from "../context.ts";
import { counted } from "../count.ts";
import { CommandError, type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { createProgressDisplay, modeOf } from "../progress/create-display.ts";
import type { ProgressDisplay } from "../progress/display.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";
import { guardCommand } from "./guard-command.ts";
import type { RunOptions } from "./options.ts";
import { showEnds } from "./shown.ts";
import { takeBrokenOutput, takeSignals } from "./signals.ts";

export interface Execution {
  readonly opening: Opening;
  readonly template: Template;
  readonly cwd: string;
  /** Directory for the whole output of each file. */
  readonly resultsDir: string | undefined;
  readonly options: RunOptions;
  readonly timeoutMs: number | undefined;
}

const interrupted: Stop = { cause: "interrupted", reason: "interrupted" };

export async function execute(context: Context, execution: Execution): Promise<ExitCode> {
  const { opening } = execution;
  if (opening.selection.files.length === 0) {
    const done = nothingToDo(context, opening);
    if (done !== undefined) return done;
  }
  const { process } = context;
  const joblog = openLog(execution.options.joblog, process.cwd());
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
  const restoreStreams = takeBrokenOutput(process, (reason) => onBroken(reason));
  try {
    const opened = await openSession(opening);
    const run = new ActiveRun(context, execution, opened, joblog);
    onSignal = (count) => run.interrupt(count);
    onBroken = (reason) => run.outputBroken(reason);
    if (signals > 0) run.interrupt(signals);
    return await run.finish();
  } finally {
    restoreSignals();
    restoreStreams();
    joblog?.close();
  }
}

/** The exit code if the session needs no change either; undefined if it does. */
function nothingToDo({ out }: Context, { session, selection }: Opening): ExitCode | undefined {
  if (session === undefined) throw new CommandError("no files to run for; nothing was done");
  if (session.status !== "completed" && session.status !== "failed") return undefined;
  const id = safe(session.session_id);
  const { failedBefore } = selection;
  if (session.status === "completed" && failedBefore === 0) {
    out.say(`${id} is already completed; nothing to do`);
    return exitCodes.ok;
  }
  const failures =
    failedBefore === 0
      ? ""
      : `: ${counted(failedBefore, "file")} failed; to run failed files again, add --retry-failed`;
  out.say(`${id} ${isNow(session.status, "already")}; nothing to do${failures}`);
  return exitCodes.failed;
}

function openLog(path: string | undefined, cwd: string): JobLog | undefined {
  try {
    return path === undefined ? undefined : new JobLog(resolve(cwd, path));
  } catch (error) {
    throw new CommandError(`cannot write the job log: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}

class ActiveRun {
  readonly #context: Context;
  readonly #execution: Execution;
  readonly #worker: WorkerSession;
  readonly #runner: Runner;
  readonly #display: ProgressDisplay;
  readonly #doneBefore: number;
  readonly #guard: Guard | undefined;

  constructor(context: Context, execution: Execution, opened: Opened, joblog: JobLog | undefined) {
    this.#context = context;
    this.#execution = execution;
    this.#worker = opened.worker;
    this.#doneBefore = opened.restored - execution.opening.selection.failedBefore;
    const { opening, options, template, cwd, timeoutMs } = execution;
    const { stderr, env } = context.process;
    const display = createProgressDisplay(context.out.quiet ? "none" : options.progress, stderr, { env });
    this.#display = display;
    const command = guardCommand(opened.mark);
    this.#guard = command === undefined ? undefined : new Guard(command);
    const isDrawn = !context.out.quiet && modeOf(options.progress, stderr, env) === "bar";
    const show = showEnds({
      context,
      display,
      isDrawn,
      outputLimit: options.outputLimit,
      hasResultsDir: execution.resultsDir !== undefined,
    });
    this.#runner = new Runner(
      opened.worker,
      { ...opened, failedBefore: opening.selection.failedBefore },
      {
        template,
        cwd,
        timeoutMs,
        env: { ...env, [markVariable]: opened.mark },
        jobs: options.jobs,
        retries: options.retries,
        halt: options.halt,
        keepOrder: options.keepOrder ?? false,
        outputLimit: options.outputLimit,
        resultsDir: execution.resultsDir,
        joblog,
        alwaysHash: options.rerunIf === "changed",
        patienceMs: options.reconnect,
        guard: this.#guard,
      },
      {
        ended: show,
        changed: () => display.update(this.#runner.snapshot()),
        say: (line) => display.say(safe(line)),
      },
    );
  }

  interrupt(count: number): void {
    if (count === 1) {
      this.#display.say(
        "finishing the running commands, then pausing the session; to stop them at once, press Ctrl-C again",
      );
      this.#runner.drain(interrupted);
    } else if (count === 2) this.#runner.kill(interrupted);
    // Do not wait for a daemon that does not reply; the guard stops the commands.
    else this.#context.process.exit(exitCodes.interrupted);
  }

  /** The reader of the output has closed it, as head does, or the disk is full. */
  outputBroken(reason: string): void {
    this.#runner.drain({ cause: "error", reason });
  }

  /** Runs the files, and resolves with the exit code. */
  async finish(): Promise<ExitCode> {
    const { opening, options } = this.#execution;
    if (this.#context.out.quiet && opening.session === undefined) this.#context.out.data(this.#id);
    else if (opening.session === undefined) this.#display.say(`session ${safe(this.#id)}`);
    const summary = await this.#runner.run();
    this.#guard?.close();
    this.#display.finish(this.#runner.snapshot());
    const { failedBefore } = opening.selection;
    const isDisconnected = !this.#worker.isConnected;
    const status = await finishSession({
      client: opening.client,
      worker: this.#worker,
      summary,
      failedBefore,
      reconnectMs: options.reconnect,
    });
    this.#tell(summary, status);
    // Files that somebody added during the run are left.
    const isLeft = summary.stop === undefined && status === "paused";
    const exitCode = isLeft ? exitCodes.failed : exitCodeFor(summary, failedBefore, options);
    // A worker that is still reconnecting would keep the process alive.
    if (isDisconnected && this.#worker.signal.reason === undefined) this.#context.process.exit(exitCode);
    return exitCode;
  }

  get #id(): string {
    return this.#worker.session.session_id;
  }

  #tell(summary: RunSummary, status: string | undefined): void {
    const { out } = this.#context;
    const { stop, done, failed, pending } = summary;
    const { failedBefore } = this.#execution.opening.selection;
    const counts = [
      `${counted(this.#doneBefore + done, "file")} done${ofThemEarlier(this.#doneBefore)}`,
      ...(failedBefore + failed > 0 ? [`${failedBefore + failed} failed${ofThemEarlier(failedBefore)}`] : []),
      ...(pending > 0 ? [`${pending} left`] : []),
    ].join(", ");
    const became = status === undefined ? "" : ` ${isNow(status)}`;
    const why = stop === undefined ? "" : ` (${safe(stop.reason)})`;
    if (stop?.cause === "error") out.complain(safe(stop.reason));
    out.say(`${safe(this.#id)}${became}: ${counts}${stop?.cause === "error" ? "" : why}`);
    if (stop?.cause === "completed" || stop?.cause === "deleted") return;
    if (stop !== undefined) out.say("to continue, run the same command again");
    else if (failed + failedBefore > 0) {
      out.say(
        `for the results: sessionctl results ${safe(shellOperand(this.#id))}; to run the failed files again, add --retry-failed`,
      );
    }
  }
}

/** Counts are of the whole session, as in the display of progress. */
function ofThemEarlier(count: number): string {
  return count > 0 ? ` (${count} of them earlier)` : "";
}

function exitCodeFor(summary: RunSummary, failedBefore: number, { halt }: RunOptions): ExitCode {
  const { stop, failed } = summary;
  const byFailures = failed + failedBefore > 0 ? exitCodes.failed : exitCodes.ok;
  if (stop === undefined) return byFailures;
  switch (stop.cause) {
    case "interrupted":
      return exitCodes.interrupted;
    case "halted":
      if (halt?.on === "success") return exitCodes.ok;
      return halt?.on === "done" ? byFailures : exitCodes.failed;
    case "deleted":
      return exitCodes.noSuchSession;
    case "error":
      return exitCodeOf(stop.error);
    default:
      return exitCodes.failed;
  }
}
