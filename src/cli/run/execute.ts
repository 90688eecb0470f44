/** Carries out a run: its session, signals, display, final message and exit code. */
import { availableParallelism } from "node:os";
import type { WorkerSession } from "../../client/worker/worker-session.ts";
import type { Depends } from "../../runner/depends.ts";
import { finishSession } from "../../runner/finish-session.ts";
import { Guard } from "../../runner/guard.ts";
import { Inputs } from "../../runner/inputs.ts";
import { parseJobs } from "../../runner/jobs.ts";
import { markVariable } from "../../runner/mark.ts";
import { asManyAsPossible } from "../../runner/most-at-once.ts";
import { asJson } from "../../runner/result.ts";
import { Runner } from "../../runner/runner.ts";
import type { FileEnd, Stop } from "../../runner/runner-options.ts";
import { type Opened, type Opening, openSession, rememberOptions } from "../../runner/session-run.ts";
import { Spending } from "../../runner/spending.ts";
import type { Template } from "../../runner/template.ts";
import type { Status } from "../../session/session.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { type Failure, failuresAmong, namedFailures } from "../failures.ts";
import { absolutePath } from "../host-process.ts";
import { settled } from "../output.ts";
import { createProgressDisplay, modeOf } from "../progress/create-display.ts";
import type { ProgressDisplay } from "../progress/display.ts";
import { onBrokenOutput, takeSignals } from "../signals.ts";
import { safe } from "../terminal-text.ts";
import type { KeepOption } from "./changed.ts";
import { exitCodeFor, nothingToDo, tellEnd } from "./ending.ts";
import { guardCommand } from "./guard-command.ts";
import { heldLines, interruptedLine, resumedLine } from "./hold-lines.ts";
import type { LeftToLookAt } from "./left-to-look-at.ts";
import { runOnEnd } from "./on-end.ts";
import type { RunOptions } from "./options.ts";
import { type Outputs, openOutputs } from "./outputs.ts";
import { showEnds } from "./shown.ts";

export interface Execution {
  readonly opening: Opening;
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

const interrupted: Stop = { cause: "interrupted", reason: "interrupted" };

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
    const opened = await openSession(opening);
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

class ActiveRun {
  readonly #context: Context;
  readonly #execution: Execution;
  readonly #worker: WorkerSession;
  readonly #runner: Runner;
  readonly #display: ProgressDisplay;
  /** The first failed files of this run. */
  readonly #failures: Failure[] = [];
  readonly #guard: Guard | undefined;
  readonly #spending: Spending | undefined;

  constructor(context: Context, execution: Execution, opened: Opened, outputs: Outputs) {
    this.#context = context;
    this.#execution = execution;
    this.#worker = opened.worker;
    const { opening, options, template, cwd, depends } = execution;
    const { stderr, env } = context.process;
    const say = (line: string) => display.say(safe(line));
    const spending = Spending.of(opened.results, options.budget ?? new Map(), say);
    this.#spending = spending;
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
      tag: options.tag ?? false,
    });
    this.#runner = new Runner(
      opened.worker,
      opening.selection.failedBefore,
      {
        template,
        cwd,
        timeoutMs: options.timeout,
        env: { ...env, [markVariable]: opened.mark },
        jobs: parseJobs(options.jobs, availableParallelism(), asManyAsPossible()),
        retries: options.retries,
        retryDelayMs: options.retryDelay,
        delayMs: options.delay,
        deferOn: options.deferOn,
        maxDeferMs: options.maxDefer,
        halt: options.halt,
        keepOrder: options.keepOrder ?? false,
        outputLimit: options.outputLimit,
        resultsDir: execution.resultsDir,
        ...outputs,
        inputs: new Inputs({ template, cwd, depends, alwaysHash: options.rerunIf === "changed" }),
        patienceMs: options.reconnect,
        guard: this.#guard,
        onPause: options.onPause,
        spending,
      },
      {
        ended: (end) => {
          this.#noteFailure(end);
          return show(end);
        },
        changed: () => display.update(this.#runner.snapshot()),
        say,
        held: () => {
          for (const line of heldLines(this.#runner.snapshot())) display.say(context.out.pasteable(line));
        },
        resumed: (heldMs) => display.say(resumedLine(this.#runner.snapshot(), heldMs)),
      },
    );
  }

  interrupt(count: number): void {
    if (count === 1) {
      const line = interruptedLine(this.#runner.snapshot());
      if (line !== undefined) this.#display.say(line);
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
    if (this.#context.out.quiet && opening.session === undefined) this.#context.out.value(this.#id);
    else if (opening.session === undefined) this.#display.say(`session ${safe(this.#id)}`);
    const summary = await this.#runner.run();
    this.#guard?.close();
    this.#display.finish(this.#runner.snapshot());
    const isDisconnected = !this.#worker.isConnected;
    let status: Status | undefined;
    let exitCode: ExitCode = exitCodes.failed;
    try {
      status = await finishSession({
        client: opening.client,
        worker: this.#worker,
        summary,
        unseen: this.#execution.unseen?.reason,
        reconnectMs: options.reconnect,
        say: (line) => this.#display.say(safe(line)),
      });
      // Files that somebody added during the run are left.
      const isLeft = summary.stop === undefined && status === "paused";
      exitCode = isLeft ? exitCodes.failed : exitCodeFor(summary, options);
    } catch (error) {
      exitCode = exitCodeOf(error);
      throw error;
    } finally {
      // Also if the status cannot be set: what was done stays done.
      tellEnd(this.#context.out, {
        id: this.#id,
        summary,
        status,
        failures: [...this.#failures, ...this.#execution.failedBefore],
        unseen: this.#execution.unseen,
        spending: this.#spending,
        keptBy: this.#execution.keptBy,
      });
      const { onEnd } = options;
      if (onEnd !== undefined)
        await runOnEnd(this.#context, onEnd, { id: this.#id, summary, status, exitCode });
    }
    // A worker that is still reconnecting would keep the process alive.
    if (isDisconnected && this.#worker.signal.reason === undefined) {
      const { process, out } = this.#context;
      process.exit(await settled(process.stdout, out, exitCode));
    }
    return exitCode;
  }

  #noteFailure({ file, result }: FileEnd): void {
    if (this.#failures.length === namedFailures) return;
    this.#failures.push(...failuresAmong([file], Object.fromEntries([[file, asJson(result)]])));
  }

  get #id(): string {
    return this.#worker.session.session_id;
  }
}
