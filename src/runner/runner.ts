/**
 * Runs the commands of the files, several at once, and records their results.
 *
 * The room runner/ owns running a command for each pending file: selection, processes, results, limits. It
 * is a worker like any other, and knows no command line and no terminal.
 */
import type { WorkerSession } from "../client/worker/worker-session.ts";
import type { Session } from "../session/session.ts";
import { AtWork } from "./at-work.ts";
import { follow, stopFor } from "./following.ts";
import { FullDisk } from "./full-disk.ts";
import { Hold } from "./hold.ts";
import { ListedFiles } from "./listed-files.ts";
import type { RunnerHooks, RunnerOptions, RunSummary, Stop } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";
import { Starts } from "./starts.ts";
import { Stopping } from "./stopping.ts";

export class Runner {
  readonly #worker: WorkerSession;
  readonly #options: RunnerOptions;
  readonly #hooks: RunnerHooks;
  readonly #files: ListedFiles;
  readonly #starts: Starts;
  /** The state of the session that `#files` follows. */
  #session: Session;
  readonly #startedMs = performance.now();
  readonly #atWork: AtWork;
  readonly #hold = new Hold();
  readonly #stopping: Stopping;
  #resolve: () => void = () => {};

  /** `failedEarlier`: the processed files of the session that failed, and are not run again. */
  constructor(
    worker: WorkerSession,
    failedEarlier: Iterable<string>,
    options: RunnerOptions,
    hooks: RunnerHooks,
  ) {
    this.#worker = worker;
    this.#options = options;
    this.#hooks = hooks;
    this.#session = worker.session;
    this.#files = new ListedFiles(worker.session, failedEarlier);
    this.#starts = new Starts(this.#files, options, {
      wake: () => this.#pump(),
      slowing: (file, exitCode) =>
        hooks.say(`${file}: not now (exit status ${exitCode}); the run slows down, and tries again later`),
    });
    this.#stopping = new Stopping(options, {
      endCommands: (how) => this.#atWork.endCommands(how),
      stopped: () => {
        hooks.changed();
        this.#pump();
      },
    });
    this.#atWork = new AtWork({
      options,
      files: this.#files,
      starts: this.#starts,
      stopping: this.#stopping,
      control: {
        isStopped: () => this.#isStopped || this.#isHeld,
        isKilling: () => this.#stopping.isKilling,
        isTroubled: () => this.#stopping.isTroubled,
        attempted: () => this.#stopping.endIfSpent(),
        changed: () => hooks.changed(),
      },
      recording: {
        worker,
        options,
        disk: new FullDisk(options.patienceMs, (line) => hooks.say(line)),
        say: (line) => hooks.say(line),
        failed: (error) => this.#stopping.failedWith(error),
      },
      firstSeq: worker.session.processed_files.length + 1,
      ended: (end) => hooks.ended(end),
      freed: () => this.#pump(),
      left: () => {
        if (this.#atWork.size === 0) this.#hold.idle(performance.now());
        hooks.changed();
        this.#pump();
      },
    });
  }

  /** Resolves when no command runs and all results are recorded. It never rejects. */
  async run(): Promise<RunSummary> {
    const ended = new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    const unfollow = follow(this.#worker, {
      paused: (reason) => this.#paused(reason),
      resumed: () => this.#resumed(),
      stopped: (reason) => this.#workerStopped(reason),
      connection: (isConnected) => this.#connection(isConnected),
    });
    this.#stopping.endIfSpent();
    this.#pump();
    await ended;
    unfollow();
    const { done, failed, doneEarlier, failedEarlier, count } = this.#files;
    const pending = count - done - failed;
    const isHeld = this.#hold.held !== undefined;
    // A paused session is not at its end even with no file left.
    const stop = this.#stopping.atEnd({ isWorkLeft: pending > 0 || isHeld });
    return { done, failed, doneEarlier, failedEarlier, pending, isHeld, stop };
  }

  snapshot(): RunSnapshot {
    const { count, done, failed, doneEarlier, failedEarlier, left } = this.#files;
    const nowMs = performance.now();
    return {
      sessionId: this.#worker.session.session_id,
      total: doneEarlier + failedEarlier + count,
      restored: doneEarlier,
      failedBefore: failedEarlier,
      done,
      failed,
      pending: left + this.#starts.retrying,
      running: this.#atWork.running,
      startedMs: this.#startedMs,
      nowMs,
      budgets: this.#options.spending?.spent ?? [],
      draining: this.#stopping.stop?.reason,
      hold: this.#hold.held && { ...this.#hold.held, reason: this.#session.status_reason ?? undefined },
      heldMs: this.#hold.earlierMs,
      disconnected: !this.#worker.isConnected,
      ...this.#starts.pace(nowMs),
    };
  }

  /** Starts no more files; running commands finish and are recorded. */
  drain(stop: Stop): void {
    this.#stopping.drain(stop);
  }

  /** Stops running commands, whose files stay pending. A second call kills them at once. */
  kill(stop: Stop): void {
    this.#stopping.kill(stop);
  }

  get #isStopped(): boolean {
    return this.#stopping.stop !== undefined;
  }

  #pump(): void {
    // Nobody waits while the run is held or about to end: others may have changed the files when it goes on.
    if (this.#isStopped || this.#isHeld) this.#atWork.abandon();
    this.#followSession();
    while (this.#mayBegin && this.#atWork.begin());
    const isThrough = this.#isStopped || (this.#starts.isThrough && !this.#isHeld);
    if (isThrough && (this.#atWork.size === 0 || this.#isGivenUp)) this.#resolve();
  }

  /** After a reconnection or a resume, others may have changed the files of the session. */
  #followSession(): void {
    const { session } = this.#worker;
    if (session === this.#session) return;
    this.#session = session;
    this.#files.follow(session);
  }

  /** A killed run does not wait until the connection to the daemon is back. */
  get #isGivenUp(): boolean {
    return this.#stopping.isKilling && this.#atWork.commands === 0 && !this.#worker.isConnected;
  }

  /** Whether somebody has paused the session, and the run waits until it is resumed. */
  get #isHeld(): boolean {
    return this.#hold.held !== undefined || this.#worker.signal.aborted;
  }

  /** Whether one more file may begin now: everything that can forbid it is listed here. */
  get #mayBegin(): boolean {
    return !this.#isStopped && !this.#isHeld && !this.#starts.isThrough && this.#atWork.hasRoom;
  }

  #paused(reason: unknown): void {
    if (this.#options.onPause === "exit") this.#workerStopped(reason);
    if (this.#isStopped) return;
    this.#hold.begin(performance.now());
    if (this.#atWork.size === 0) this.#hold.idle(performance.now());
    this.#pump();
    this.#hooks.held();
    this.#hooks.changed();
  }

  #resumed(): void {
    const heldMs = this.#hold.end(performance.now());
    this.#followSession();
    if (heldMs !== undefined) this.#starts.rested(heldMs);
    if (heldMs !== undefined && !this.#isStopped) this.#hooks.resumed(heldMs);
    this.#hooks.changed();
    this.#pump();
  }

  #workerStopped(reason: unknown): void {
    const stop = stopFor(reason);
    if (stop === undefined) return;
    this.#hold.end(performance.now());
    this.#stopping.workerStopped(stop);
  }

  #connection(isConnected: boolean): void {
    this.#hooks.say(
      isConnected ? "reconnected to sessiond" : "lost the connection to sessiond; reconnecting",
    );
    this.#hooks.changed();
    this.#pump();
  }
}
