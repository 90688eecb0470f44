/**
 * Runs the commands of the files, several at once, and records their results.
 *
 * The room runner/ owns running a command for each pending file: selection, processes, results, limits. It
 * is a worker like any other, and knows no command line and no terminal.
 */
import { AtWork } from "./at-work.ts";
import { follow, stopFor } from "./following.ts";
import { FullDisk } from "./full-disk.ts";
import { Hold } from "./hold.ts";
import type { RunSession } from "./run-session.ts";
import type { RunnerHooks, RunnerOptions, RunSummary, Stop } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";
import { Starts } from "./starts.ts";
import { Stopping } from "./stopping.ts";

export class Runner {
  readonly #session: RunSession;
  readonly #options: RunnerOptions;
  readonly #hooks: RunnerHooks;
  readonly #starts: Starts;
  readonly #startedMs = performance.now();
  readonly #atWork: AtWork;
  readonly #hold = new Hold();
  readonly #stopping: Stopping;
  #resolve: () => void = () => {};

  constructor(session: RunSession, options: RunnerOptions, hooks: RunnerHooks) {
    const { worker, files, firstSeq } = session;
    this.#session = session;
    this.#options = options;
    this.#hooks = hooks;
    this.#starts = new Starts(files, options, {
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
      files,
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
      firstSeq,
      ready: () => session.ready(),
      ended: (end) => hooks.ended(end),
      finished: (succeeded) => {
        // What runs that share a session have finished is counted with the session.
        if (session.share === undefined) this.#stopping.count({ succeeded, total: files.count });
        this.#pump();
      },
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
    this.#session.open({
      wake: () => this.#pump(),
      failed: (error) => this.#stopping.failedWith(error),
      counted: (tally) => {
        this.#stopping.endIfHalted(tally);
        this.#hooks.changed();
      },
    });
    const unfollow = follow(this.#session.worker, {
      paused: (reason) => this.#paused(reason),
      resumed: () => this.#resumed(),
      stopped: (reason) => this.#workerStopped(reason),
      connection: (isConnected) => this.#connection(isConnected),
    });
    this.#stopping.endIfSpent();
    this.#pump();
    await ended;
    unfollow();
    this.#session.close();
    const { share, files } = this.#session;
    const { done, failed, doneEarlier, failedEarlier, count } = files;
    const pending = count - done - failed;
    const isHeld = this.#hold.held !== undefined;
    // A paused session is not at its end even with no file left.
    const stop = this.#stopping.atEnd({ isWorkLeft: pending > 0 || isHeld });
    return { done, failed, doneEarlier, failedEarlier, pending, isHeld, stop, share };
  }

  snapshot(): RunSnapshot {
    const { id, worker, statusReason: reason, share, files } = this.#session;
    const { count, done, failed, doneEarlier, failedEarlier, left } = files;
    const nowMs = performance.now();
    return {
      sessionId: id,
      share,
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
      hold: this.#hold.held && { ...this.#hold.held, reason },
      heldMs: this.#hold.earlierMs,
      disconnected: !worker.isConnected,
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
    if (this.#isStopped) this.#session.drain();
    this.#session.follow();
    while (this.#mayBegin && this.#atWork.begin());
    const isThrough = this.#isStopped || (this.#starts.isThrough && !this.#isHeld);
    if (isThrough && (this.#atWork.size === 0 || this.#isGivenUp)) this.#resolve();
  }

  /** A killed run does not wait until the connection to the daemon is back. */
  get #isGivenUp(): boolean {
    return this.#stopping.isKilling && this.#atWork.commands === 0 && !this.#session.worker.isConnected;
  }

  /** Whether somebody has paused the session, and the run waits until it is resumed. */
  get #isHeld(): boolean {
    return this.#hold.held !== undefined || this.#session.worker.signal.aborted;
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
    this.#hooks.changed();
    void this.#tellOfHold();
  }

  /** A pause by --halt ends all runs that share the session, so the counts are looked at first. */
  async #tellOfHold(): Promise<void> {
    if (this.#session.share !== undefined && this.#options.halt !== undefined) {
      await this.#session.count();
      if (this.#hold.held !== undefined) this.#stopping.endIfHaltedBy(this.#session.statusReason);
    }
    if (!this.#isStopped && this.#hold.held !== undefined) this.#hooks.held();
  }

  #resumed(): void {
    const heldMs = this.#hold.end(performance.now());
    this.#session.follow();
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
