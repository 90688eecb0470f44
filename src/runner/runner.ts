/**
 * Runs the commands of the files, several at once, and records their results.
 *
 * The room runner/ owns running a command for each pending file: selection, processes, results, limits. It
 * is a worker like any other, and knows no command line and no terminal.
 */
import { WorkerStopped } from "../client/worker/stop.ts";
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { type Item, jobLine, type Outcome, type RunControl, workOn } from "./attempts.ts";
import type { Ended } from "./child.ts";
import { haltReason, isReached } from "./halt.ts";
import { KeepOrder } from "./keep-order.ts";
import { OwnTrouble } from "./own-trouble.ts";
import { record } from "./recorder.ts";
import { asJson, fileResult, withoutOutput } from "./result.ts";
import type { FileEnd, RunnerFiles, RunnerHooks, RunnerOptions, RunSummary, Stop } from "./runner-options.ts";
import type { RunSnapshot } from "./snapshot.ts";

/** While this many results wait for the daemon or for the reader of the output, no more files start. */
const maxUnsettled = 64;
/** While this many bytes of output wait for earlier files, no more files start. */
const maxHeldBack = 32 * 1024 * 1024;
/** Bytes that a file without output counts for while it waits. */
const entrySize = 1024;
const connectionPollMs = 250;

export class Runner {
  readonly #worker: WorkerSession;
  readonly #files: readonly string[];
  readonly #restored: number;
  readonly #failedBefore: number;
  readonly #options: RunnerOptions;
  readonly #hooks: RunnerHooks;
  readonly #startedMs = performance.now();
  /** Files that have started and whose results are not durable yet. */
  readonly #items = new Set<Item>();
  readonly #order: KeepOrder<FileEnd> | undefined;
  #next = 0;
  #running = 0;
  #done = 0;
  #failed = 0;
  #finished = { failed: 0, succeeded: 0 };
  #shown: Promise<void> = Promise.resolve();
  #stop: Stop | undefined;
  #isKilling = false;
  #isTroubled = false;
  #resolve: () => void = () => {};
  readonly #control: RunControl;

  constructor(
    worker: WorkerSession,
    { files, restored, failedBefore }: RunnerFiles,
    options: RunnerOptions,
    hooks: RunnerHooks,
  ) {
    this.#worker = worker;
    this.#files = files;
    this.#restored = restored;
    this.#failedBefore = failedBefore;
    this.#options = options;
    this.#hooks = hooks;
    this.#order = options.keepOrder ? new KeepOrder() : undefined;
    this.#control = {
      isStopped: () => this.#stop !== undefined,
      isKilling: () => this.#isKilling,
      isTroubled: () => this.#isTroubled,
      changed: () => hooks.changed(),
    };
  }

  /** Resolves when no command runs and all results are recorded. It never rejects. */
  async run(): Promise<RunSummary> {
    const { signal } = this.#worker;
    const onAbort = () => this.#workerStopped(signal.reason);
    signal.addEventListener("abort", onAbort);
    const tellConnection = this.#connectionTeller();
    const watch = setInterval(tellConnection, connectionPollMs);
    try {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        if (signal.aborted) onAbort();
        this.#pump();
      });
    } finally {
      clearInterval(watch);
      tellConnection();
      signal.removeEventListener("abort", onAbort);
    }
    const pending = this.#files.length - this.#done - this.#failed;
    // With no file left, a reason to stop came too late to matter, unless it is an error.
    const stop = pending > 0 || this.#stop?.cause === "error" ? this.#stop : undefined;
    return { done: this.#done, failed: this.#failed, pending, stop };
  }

  snapshot(): RunSnapshot {
    const running = Array.from(this.#items, ({ file, startedMs, attempt }) => ({ file, startedMs, attempt }));
    return {
      sessionId: this.#worker.session.session_id,
      total: this.#restored + this.#files.length,
      restored: this.#restored - this.#failedBefore,
      failedBefore: this.#failedBefore,
      done: this.#done,
      failed: this.#failed,
      pending: this.#files.length - this.#done - this.#failed - this.#items.size,
      running,
      startedMs: this.#startedMs,
      nowMs: performance.now(),
      draining: this.#stop?.reason,
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
    while (this.#mayBegin) void this.#process(this.#files[this.#next] as string, this.#next++);
    const isThrough = this.#stop !== undefined || this.#next === this.#files.length;
    if (isThrough && (this.#items.size === 0 || this.#isGivenUp)) this.#resolve();
  }

  /** A killed run does not wait until the connection to the daemon is back. */
  get #isGivenUp(): boolean {
    return this.#isKilling && this.#running === 0 && !this.#worker.isConnected;
  }

  get #mayBegin(): boolean {
    return (
      this.#stop === undefined &&
      this.#next < this.#files.length &&
      this.#running < this.#options.jobs &&
      this.#items.size - this.#running < maxUnsettled &&
      (this.#order?.size ?? 0) < maxHeldBack
    );
  }

  async #process(file: string, place: number): Promise<void> {
    const item: Item = { file, place, startedMs: performance.now(), attempt: 0, child: undefined };
    this.#items.add(item);
    this.#running++;
    let end: FileEnd | undefined;
    try {
      const work = await workOn(item, this.#seq(item), this.#options, this.#control).finally(() => {
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
      await this.#show(place, end);
    } catch (error) {
      this.#failedWith(error);
    }
    this.#items.delete(item);
    if (end?.result.exit_code === 0) this.#done++;
    else if (end !== undefined) this.#failed++;
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
      this.#options.joblog?.add(jobLine(work, this.#seq(item)));
    } catch (error) {
      this.#failedWith(error);
    }
    return { file: item.file, result, stdout: ended.stdout.bytes, stderr: ended.stderr.bytes };
  }

  #seq({ place }: Item): number {
    return this.#restored + place + 1;
  }

  /** Shows one file after another, so that outputs keep their order and do not mix. */
  #show(place: number, end: FileEnd | undefined): Promise<void> {
    const size = end === undefined ? 0 : end.stdout.length + end.stderr.length + entrySize;
    const ready = this.#order?.put(place, end, size) ?? (end === undefined ? [] : [end]);
    const turn = this.#shown.then(async () => {
      for (const one of ready) await this.#hooks.ended(one);
    });
    this.#shown = turn.catch(() => {});
    return turn;
  }

  #count({ exitCode }: Ended): void {
    if (exitCode === 0) this.#finished.succeeded++;
    else this.#finished.failed++;
    const { halt } = this.#options;
    const tally = { ...this.#finished, total: this.#files.length };
    if (halt === undefined || this.#stop !== undefined || !isReached(halt, tally)) return;
    const stop: Stop = { cause: "halted", reason: haltReason(halt, tally) };
    if (halt.when === "now") this.kill(stop);
    else this.drain(stop);
  }

  #workerStopped(reason: unknown): void {
    if (!(reason instanceof WorkerStopped)) {
      this.kill({ cause: "error", reason: messageOf(reason), error: reason });
    } else if (reason.stopped === "lease_lost") {
      // Somebody else may be working on the same files.
      this.kill({ cause: "lease_lost", reason: reason.message });
    } else if (reason.stopped !== "detached") {
      this.drain({ cause: reason.stopped, reason: reason.message });
    }
  }

  #failedWith(error: unknown): void {
    if (error instanceof OwnTrouble) this.#isTroubled = true;
    this.drain({ cause: "error", reason: messageOf(error), error });
  }

  /**
   * Each call of the returned function says whether the connection was lost or is back since the last call.
   */
  #connectionTeller(): () => void {
    let wasConnected = true;
    return () => {
      const { isConnected } = this.#worker;
      if (isConnected === wasConnected) return;
      wasConnected = isConnected;
      this.#hooks.say(
        isConnected ? "reconnected to sessiond" : "lost the connection to sessiond; reconnecting",
      );
      this.#hooks.changed();
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
