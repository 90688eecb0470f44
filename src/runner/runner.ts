/**
 * Runs the commands of the files, several at once, and records their results.
 *
 * The room runner/ owns running a command for each pending file: selection, processes, results, limits. It
 * is a worker like any other, and knows no command line and no terminal.
 */
import type { WorkerSession } from "../client/worker/worker-session.ts";
import type { Session } from "../session/session.ts";
import { type Item, jobLine, type Outcome, type RunControl, workOn } from "./attempts.ts";
import type { Ended } from "./child.ts";
import { follow, stopAfter, stopFor } from "./following.ts";
import { haltReason, isReached } from "./halt.ts";
import { Hold } from "./hold.ts";
import { InOrder } from "./in-order.ts";
import { OwnTrouble } from "./own-trouble.ts";
import { record } from "./recorder.ts";
import { asJson, fileResult, withoutOutput } from "./result.ts";
import { RunFiles } from "./run-files.ts";
import type { FileEnd, RunnerHooks, RunnerOptions, RunSummary, Stop } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";

/** While this many results wait for the daemon or for the reader of the output, no more files start. */
const maxUnsettled = 64;
/** While this many bytes of output wait for earlier files, no more files start. */
const maxHeldBack = 32 * 1024 * 1024;

export class Runner {
  readonly #worker: WorkerSession;
  readonly #options: RunnerOptions;
  readonly #hooks: RunnerHooks;
  readonly #files: RunFiles;
  /** The state of the session that `#files` follows. */
  #session: Session;
  readonly #startedMs = performance.now();
  /** Files that have started and whose results are not durable yet. */
  readonly #items = new Set<Item>();
  readonly #ends: InOrder;
  readonly #hold = new Hold();
  /** Number of the next file to start. */
  #seq: number;
  #started = 0;
  #running = 0;
  #finished = { failed: 0, succeeded: 0 };
  #stop: Stop | undefined;
  #isKilling = false;
  #isTroubled = false;
  #resolve: () => void = () => {};
  readonly #control: RunControl;

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
    this.#seq = worker.session.processed_files.length + 1;
    this.#ends = new InOrder(options, (end) => hooks.ended(end));
    this.#control = {
      isStopped: () => this.#stop !== undefined || this.#isHeld,
      isKilling: () => this.#isKilling,
      isTroubled: () => this.#isTroubled,
      changed: () => hooks.changed(),
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
    this.#pump();
    await ended;
    unfollow();
    const { done, failed, doneEarlier, failedEarlier, count } = this.#files;
    const pending = count - done - failed;
    const isHeld = this.#hold.held !== undefined;
    // With no file left, a reason to stop came too late to matter, unless it is an error. A paused session is
    // not at its end even so.
    const stop = pending > 0 || isHeld || this.#stop?.cause === "error" ? this.#stop : undefined;
    return { done, failed, doneEarlier, failedEarlier, pending, isHeld, stop };
  }

  snapshot(): RunSnapshot {
    const running = Array.from(this.#items, ({ file, startedMs, attempt }) => ({ file, startedMs, attempt }));
    const { count, done, failed, doneEarlier, failedEarlier, left } = this.#files;
    return {
      sessionId: this.#worker.session.session_id,
      total: doneEarlier + failedEarlier + count,
      restored: doneEarlier,
      failedBefore: failedEarlier,
      done,
      failed,
      pending: left,
      running,
      startedMs: this.#startedMs,
      nowMs: performance.now(),
      draining: this.#stop?.reason,
      hold: this.#hold.held && { ...this.#hold.held, reason: this.#session.status_reason ?? undefined },
      heldMs: this.#hold.earlierMs,
      disconnected: !this.#worker.isConnected,
    };
  }

  /** Starts no more files; running commands finish and are recorded. */
  drain(stop: Stop): void {
    this.#stop ??= stop;
    this.#hooks.changed();
    this.#pump();
  }

  /** Stops running commands, whose files stay pending. A second call kills them at once. */
  kill(stop: Stop): void {
    this.#stop ??= stop;
    for (const { child } of this.#items) {
      if (this.#isKilling) child?.kill();
      else child?.stop();
    }
    this.#isKilling = true;
    this.#hooks.changed();
    this.#pump();
  }

  #pump(): void {
    this.#followSession();
    while (this.#mayBegin) void this.#process(this.#files.begin() as string);
    const isThrough = this.#stop !== undefined || (this.#files.left === 0 && !this.#isHeld);
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
    return this.#isKilling && this.#running === 0 && !this.#worker.isConnected;
  }

  /** Whether somebody has paused the session, and the run waits until it is resumed. */
  get #isHeld(): boolean {
    return this.#hold.held !== undefined || this.#worker.signal.aborted;
  }

  /** Whether one more file may begin now: everything that can forbid it is listed here. */
  get #mayBegin(): boolean {
    return (
      this.#stop === undefined &&
      !this.#isHeld &&
      this.#files.left > 0 &&
      this.#running < this.#options.jobs &&
      this.#items.size - this.#running < maxUnsettled &&
      this.#ends.heldBack < maxHeldBack
    );
  }

  async #process(file: string): Promise<void> {
    const place = this.#started++;
    const seq = this.#seq++;
    const item: Item = { file, seq, startedMs: performance.now(), attempt: 0, child: undefined };
    this.#items.add(item);
    this.#running++;
    let end: FileEnd | undefined;
    try {
      const work = await workOn(item, this.#options, this.#control).finally(() => {
        this.#running--;
      });
      if (work !== undefined) {
        this.#count(work.ended);
        this.#pump();
        end = await this.#record(item, work);
      }
    } catch (error) {
      this.#failedWith(error);
    }
    try {
      await this.#ends.put(place, end);
    } catch (error) {
      this.#failedWith(error);
    }
    this.#items.delete(item);
    if (end === undefined) this.#files.putBack(file);
    else this.#files.end(file, { succeeded: end.result.exit_code === 0 });
    if (this.#items.size === 0) this.#hold.idle(performance.now());
    this.#hooks.changed();
    this.#pump();
  }

  async #record(item: Item, work: Outcome): Promise<FileEnd> {
    const { ended } = work;
    const { patienceMs, timeoutMs } = this.#options;
    const result = fileResult({ ...work, attempts: item.attempt, timeoutMs });
    const recorder = { worker: this.#worker, patienceMs, say: (line: string) => this.#hooks.say(line) };
    await record(recorder, item.file, asJson(result), () => asJson(withoutOutput(result, ended)));
    try {
      this.#options.joblog?.add(jobLine(work, item.seq));
    } catch (error) {
      this.#failedWith(error);
    }
    return { file: item.file, result, stdout: ended.stdout.bytes, stderr: ended.stderr.bytes };
  }

  #count({ exitCode }: Ended): void {
    if (exitCode === 0) this.#finished.succeeded++;
    else this.#finished.failed++;
    const { halt } = this.#options;
    const tally = { ...this.#finished, total: this.#files.count };
    if (halt === undefined || this.#stop !== undefined || !isReached(halt, tally)) return;
    const stop: Stop = { cause: "halted", reason: haltReason(halt, tally) };
    if (halt.when === "now") this.kill(stop);
    else this.drain(stop);
  }

  #paused(reason: unknown): void {
    if (this.#options.onPause === "exit") this.#workerStopped(reason);
    if (this.#stop !== undefined) return;
    this.#hold.begin(performance.now());
    if (this.#items.size === 0) this.#hold.idle(performance.now());
    this.#hooks.held();
    this.#hooks.changed();
  }

  #resumed(): void {
    const heldMs = this.#hold.end(performance.now());
    this.#followSession();
    if (heldMs !== undefined && this.#stop === undefined) this.#hooks.resumed(heldMs);
    this.#hooks.changed();
    this.#pump();
  }

  #workerStopped(reason: unknown): void {
    const stop = stopFor(reason);
    if (stop === undefined) return;
    this.#hold.end(performance.now());
    // After the end of the lease somebody else may be working on the same files.
    if (stop.cause === "error" || stop.cause === "lease_lost") this.kill(stop);
    else this.drain(stop);
  }

  #failedWith(error: unknown): void {
    if (error instanceof OwnTrouble) this.#isTroubled = true;
    this.drain(stopAfter(error));
  }

  #connection(isConnected: boolean): void {
    this.#hooks.say(
      isConnected ? "reconnected to sessiond" : "lost the connection to sessiond; reconnecting",
    );
    this.#hooks.changed();
    this.#pump();
  }
}
