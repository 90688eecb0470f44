/** A run whose session is open: its display, what it says, its end, and its exit code. */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { finishSession } from "../../runner/finish-session.ts";
import { finishShared } from "../../runner/finish-shared.ts";
import { Guard } from "../../runner/guard.ts";
import { Inputs } from "../../runner/inputs.ts";
import { parseJobs } from "../../runner/jobs.ts";
import { markVariable } from "../../runner/mark.ts";
import { asManyAsPossible } from "../../runner/most-at-once.ts";
import { asJson } from "../../runner/result.ts";
import { OwnSession, type RunSession } from "../../runner/run-session.ts";
import { Runner } from "../../runner/runner.ts";
import type { FileEnd, RunEnd, RunSummary, Stop } from "../../runner/runner-options.ts";
import type { Opened } from "../../runner/session-run.ts";
import { Spending } from "../../runner/spending.ts";
import type { Context } from "../context.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { type Failure, failuresAmong, namedFailures } from "../failures.ts";
import { settled } from "../output.ts";
import { createProgressDisplay, modeOf } from "../progress/create-display.ts";
import type { ProgressDisplay } from "../progress/display.ts";
import { safe } from "../terminal-text.ts";
import { exitCodeFor, tellEnd } from "./ending.ts";
import type { Execution } from "./execute.ts";
import { guardCommand } from "./guard-command.ts";
import { heldLines, interruptedLine, resumedLine } from "./hold-lines.ts";
import { runOnEnd } from "./on-end.ts";
import type { Outputs } from "./outputs.ts";
import { showEnds } from "./shown.ts";

/** Whoever presses Ctrl-C is answered in this time, also if the daemon is not. */
const countMs = 500;
const interrupted: Stop = { cause: "interrupted", reason: "interrupted" };

export class ActiveRun {
  readonly #context: Context;
  readonly #execution: Execution;
  readonly #session: RunSession;
  readonly #runner: Runner;
  readonly #display: ProgressDisplay;
  /** The first failed files of this run. */
  readonly #failures: Failure[] = [];
  readonly #guard: Guard | undefined;
  readonly #spending: Spending | undefined;

  constructor(context: Context, execution: Execution, opened: Opened, outputs: Outputs) {
    this.#context = context;
    this.#execution = execution;
    this.#session = opened.session;
    const { options, template, cwd, depends } = execution;
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
      opened.session,
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
      void this.#tellOfInterrupt();
      this.#runner.drain(interrupted);
    } else if (count === 2) this.#runner.kill(interrupted);
    // Do not wait for a daemon that does not reply; the guard stops the commands.
    else this.#context.process.exit(exitCodes.interrupted);
  }

  async #tellOfInterrupt(): Promise<void> {
    // Others may have come or gone since the last look. Without a daemon nobody knows.
    const soon = sleep(countMs, undefined, { ref: false });
    if (this.#session.share !== undefined) await Promise.race([this.#session.count(), soon]);
    const line = interruptedLine(this.#runner.snapshot());
    if (line !== undefined) this.#display.say(line);
  }

  /** The reader of the output has closed it, as head does, or the disk is full. */
  outputBroken(reason: string): void {
    this.#runner.drain({ cause: "error", reason });
  }

  /** Runs the files, and resolves with the exit code. */
  async finish(): Promise<ExitCode> {
    const { options, tellsId } = this.#execution;
    if (this.#context.out.quiet && tellsId) this.#context.out.value(this.#id);
    else if (tellsId) this.#display.say(`session ${safe(this.#id)}`);
    const summary = await this.#runner.run();
    this.#guard?.close();
    if (summary.share !== undefined && this.#session.worker.isConnected) await this.#session.count();
    this.#display.finish(this.#runner.snapshot());
    const isDisconnected = !this.#session.worker.isConnected;
    let end: RunEnd = { status: undefined, summary, others: 0 };
    let exitCode: ExitCode = exitCodes.failed;
    try {
      end = await this.#end(summary);
      // Files are left that somebody added during the run.
      const { stop, pending } = end.summary;
      const isLeft = stop === undefined && (end.status === "paused" || pending > 0);
      exitCode = isLeft ? exitCodes.failed : exitCodeFor(end.summary, options);
    } catch (error) {
      exitCode = exitCodeOf(error);
      throw error;
    } finally {
      // Also if the status cannot be set: what was done stays done.
      tellEnd(this.#context.out, {
        id: this.#id,
        ...end,
        failures: await this.#failed(end),
        unseen: this.#execution.unseen,
        spending: this.#spending,
        keptBy: this.#execution.keptBy,
      });
      const { onEnd } = options;
      if (onEnd !== undefined) await runOnEnd(this.#context, onEnd, { id: this.#id, ...end, exitCode });
    }
    // A worker that is still reconnecting would keep the process alive.
    if (isDisconnected && this.#session.worker.signal.reason === undefined) {
      const { process, out } = this.#context;
      process.exit(await settled(process.stdout, out, exitCode));
    }
    return exitCode;
  }

  async #end(summary: RunSummary): Promise<RunEnd> {
    const session = this.#session;
    const { opening, options, unseen } = this.#execution;
    const finishing = {
      client: opening.client,
      summary,
      unseen: unseen?.reason,
      reconnectMs: options.reconnect,
      say: (line: string) => this.#display.say(safe(line)),
    };
    if (!(session instanceof OwnSession)) return finishShared({ ...finishing, session });
    return { status: await finishSession({ ...finishing, session }), summary, others: 0 };
  }

  /** The first failed files: of a session that is shared, whoever ran them. */
  async #failed({ status, summary: { share } }: RunEnd): Promise<readonly Failure[]> {
    const own = [...this.#failures, ...this.#execution.failedBefore];
    // Without a status, the session is gone or the daemon is.
    if (share === undefined || status === undefined) return own;
    const { client } = this.#execution.opening;
    try {
      const { results } = await client.listResults(this.#id, { failed: true, limit: namedFailures });
      return failuresAmong(Object.keys(results), results);
    } catch {
      return own;
    }
  }

  #noteFailure({ file, result }: FileEnd): void {
    if (this.#failures.length === namedFailures) return;
    this.#failures.push(...failuresAmong([file], Object.fromEntries([[file, asJson(result)]])));
  }

  get #id(): string {
    return this.#session.id;
  }
}
