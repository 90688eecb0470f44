/**
 * Runs the commands of the files, several at once, and records their results.
 *
 * The room runner/ owns running a command for each pending file: selection, processes, results, limits. It
 * is a worker like any other, and knows no command line and no terminal.
 */
import type { WorkerSession } from "../client/worker/worker-session.ts";
import type { Session } from "../session/session.ts";
import { type Item, newItem, type RunControl } from "./attempts.ts";
import { follow, stopFor } from "./following.ts";
import { FullDisk } from "./full-disk.ts";
import { Hold } from "./hold.ts";
import { InOrder } from "./in-order.ts";
import { attemptAt, type Recording, recordLast, recordSpent } from "./last-attempt.ts";
import { RunFiles } from "./run-files.ts";
import type { FileEnd, RunnerHooks, RunnerOptions, RunSummary, Stop } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";
import { type Again, Starts } from "./starts.ts";
import { Stopping } from "./stopping.ts";

/** While this many results wait for the daemon or for the reader of the output, no more files start. */
const maxUnsettled = 64;
/** While this many bytes of output wait for earlier files, no more files start. */
const maxHeldBack = 32 * 1024 * 1024;

export class Runner {
  readonly #worker: WorkerSession;
  readonly #options: RunnerOptions;
  readonly #hooks: RunnerHooks;
  readonly #files: RunFiles;
  readonly #starts: Starts;
  /** The state of the session that `#files` follows. */
  #session: Session;
  readonly #startedMs = performance.now();
  /** Files that have started and whose results are not durable yet. */
  readonly #items = new Set<Item>();
  readonly #ends: InOrder;
  readonly #hold = new Hold();
  readonly #stopping: Stopping;
  /** Number of the next file to start. */
  #seq: number;
  #started = 0;
  #running = 0;
  #resolve: () => void = () => {};
  readonly #control: RunControl;
  readonly #recording: Recording;

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
    this.#files = new RunFiles(worker.session, failedEarlier);
    this.#starts = new Starts(this.#files, options, {
      wake: () => this.#pump(),
      slowing: (file, exitCode) =>
        hooks.say(`${file}: not now (exit status ${exitCode}); the run slows down, and tries again later`),
    });
    this.#seq = worker.session.processed_files.length + 1;
    this.#ends = new InOrder(options, (end) => hooks.ended(end));
    this.#stopping = new Stopping(options, {
      endCommands: (how) => {
        for (const { child } of this.#items) child?.[how]();
      },
      stopped: () => {
        hooks.changed();
        this.#pump();
      },
    });
    this.#control = {
      isStopped: () => this.#isStopped || this.#isHeld,
      isKilling: () => this.#stopping.isKilling,
      isTroubled: () => this.#stopping.isTroubled,
      attempted: () => this.#stopping.endIfSpent(),
      changed: () => hooks.changed(),
    };
    this.#recording = {
      worker,
      options,
      disk: new FullDisk(options.patienceMs, (line) => hooks.say(line)),
      say: (line) => hooks.say(line),
      failed: (error) => this.#stopping.failedWith(error),
    };
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
    const running = Array.from(this.#items, ({ file, startedMs, attempt }) => ({ file, startedMs, attempt }));
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
      running,
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
    if (this.#isStopped || this.#isHeld) this.#abandon();
    this.#followSession();
    for (let item = this.#next(); item !== undefined; item = this.#next()) void this.#process(item);
    const isThrough = this.#isStopped || (this.#starts.isThrough && !this.#isHeld);
    if (isThrough && (this.#items.size === 0 || this.#isGivenUp)) this.#resolve();
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
    return this.#stopping.isKilling && this.#running === 0 && !this.#worker.isConnected;
  }

  /** Whether somebody has paused the session, and the run waits until it is resumed. */
  get #isHeld(): boolean {
    return this.#hold.held !== undefined || this.#worker.signal.aborted;
  }

  /** Whether one more file may begin now: everything that can forbid it is listed here. */
  get #mayBegin(): boolean {
    return (
      !this.#isStopped &&
      !this.#isHeld &&
      !this.#starts.isThrough &&
      this.#running < this.#options.jobs &&
      this.#items.size - this.#running < maxUnsettled
    );
  }

  #next(): Item | undefined {
    if (!this.#mayBegin) return undefined;
    // A file that has begun before may be the one that the output of others waits for.
    const mayBeginFresh = this.#ends.heldBack < maxHeldBack;
    return this.#starts.begin(performance.now(), mayBeginFresh, (file) =>
      newItem(file, this.#seq++, this.#started++),
    );
  }

  /** Ends the waits of files that have begun and wait to begin again. */
  #abandon(): void {
    for (const item of this.#starts.abandon()) void this.#show(item, undefined);
  }

  async #process(item: Item): Promise<void> {
    this.#items.add(item);
    this.#running++;
    let end: FileEnd | undefined;
    let again: Again | undefined;
    try {
      const attempted = await attemptAt(item, this.#starts, this.#options, this.#control).finally(() => {
        this.#running--;
        this.#starts.dropped(item);
      });
      const { givenUp } = this.#starts;
      if (givenUp !== undefined) this.drain({ cause: "deferred", reason: givenUp });
      if (attempted !== undefined && "outcome" in attempted) {
        const succeeded = attempted.outcome.ended.exitCode === 0;
        this.#stopping.count({ succeeded, total: this.#files.count });
        this.#pump();
        end = await recordLast(item, attempted, this.#recording);
      } else if (attempted !== undefined) {
        if (attempted.spent !== undefined) await recordSpent(item, attempted.spent, this.#recording);
        again = attempted;
      }
    } catch (error) {
      this.#stopping.failedWith(error);
    }
    if (again === undefined) await this.#show(item, end);
    this.#items.delete(item);
    if (end !== undefined) this.#files.end(item.file, { succeeded: end.result.exit_code === 0 });
    else if (again !== undefined) this.#starts.again(item, again);
    else this.#files.putBack(item.file);
    if (this.#items.size === 0) this.#hold.idle(performance.now());
    this.#hooks.changed();
    this.#pump();
  }

  async #show({ place }: Item, end: FileEnd | undefined): Promise<void> {
    try {
      await this.#ends.put(place, end);
    } catch (error) {
      this.#stopping.failedWith(error);
    }
  }

  #paused(reason: unknown): void {
    if (this.#options.onPause === "exit") this.#workerStopped(reason);
    if (this.#isStopped) return;
    this.#hold.begin(performance.now());
    if (this.#items.size === 0) this.#hold.idle(performance.now());
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
