/**
 * The loop of `forEach` over the files of a session: what to work on, what to report, and when to end. Where
 * its files come from is for others to say: `LoopSource`.
 */
import { setMaxListeners } from "node:events";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Call } from "../../pacing/pacing.ts";
import { followStatus } from "./follow-status.ts";
import { checkedOptions, type ForEachOptions, type ForEachSummary } from "./for-each-options.ts";
import type { LinkLoop } from "./link-owner.ts";
import { LoopPace } from "./loop-pace.ts";
import type { LoopHost, LoopSource } from "./loop-source.ts";
import { NotNow } from "./not-now.ts";
import { type EncodedReport, encodeFile } from "./report.ts";
import { WorkerStopped } from "./stop.ts";

type LoopOptions = ForEachOptions & ReturnType<typeof checkedOptions>;
type Task = (file: string, signal: AbortSignal, add: (...files: string[]) => void) => unknown;

const maxTurnMs = 10;

/** Refusals that mean the end of the lease, and may arrive before the connection is closed. */
const endings = {
  lease_lost: "lease_lost",
  session_deleted: "deleted",
  session_not_found: "deleted",
} as const;

/** Works on all files of the source. @throws SessiondError `invalid_request` if another loop is running */
export async function forEach(
  host: LoopHost,
  source: () => LoopSource,
  task: Task,
  options: ForEachOptions,
): Promise<ForEachSummary> {
  if (host.loop !== undefined) {
    throw new SessiondError("invalid_request", "this worker is already running forEach; wait for it to end");
  }
  const checked = checkedOptions(options);
  const files = source();
  const loop = new Loop(host, files, task, { ...options, ...checked });
  host.loop = loop;
  try {
    return await loop.run();
  } finally {
    host.loop = undefined;
    files.end();
  }
}

class Loop implements LinkLoop {
  readonly #host: LoopHost;
  readonly #task: Task;
  readonly #options: LoopOptions;
  readonly #controller = new AbortController();
  readonly #summary: ForEachSummary = { processed: 0, failed: 0, unacknowledged: 0, stopped: null };
  #failure: { error: unknown } | undefined;
  readonly #files: LoopSource;
  readonly #pace: LoopPace;
  /** Since when the session is paused and the loop waits until it is resumed; undefined if it does not. */
  #heldSinceMs: number | undefined;
  #running = 0;
  #reporting = 0;
  /** The last time at which the event loop is known to have turned. */
  #turnedAt = performance.now();
  #isYielding = false;
  #finish: () => void = () => {};

  constructor(host: LoopHost, files: LoopSource, task: Task, options: LoopOptions) {
    const { concurrency, maxDeferMs } = options;
    this.#host = host;
    this.#files = files;
    this.#task = task;
    this.#options = options;
    this.#pace = new LoopPace({ atMost: concurrency, maxDeferMs }, () => this.woken());
    // The work on each file may add a listener.
    setMaxListeners(0, this.#controller.signal);
  }

  /**
   * Resolves when all finished files are durable, and either all files are done or the loop has ended early.
   */
  async run(): Promise<ForEachSummary> {
    const { signal: caller } = this.#options;
    const onCallerAbort = () => this.#abort(caller?.reason, "aborted");
    caller?.addEventListener("abort", onCallerAbort);
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const unfollow = followStatus(this.#host, {
      paused: (reason) => {
        if (this.#options.onPause === "hold") this.#heldSinceMs = performance.now();
        else this.#abort(reason);
      },
      resumed: () => {
        if (this.#heldSinceMs !== undefined) this.#pace.rested(performance.now() - this.#heldSinceMs);
        this.#heldSinceMs = undefined;
        this.#pump();
      },
      stopped: (reason) => {
        if (!this.#isEnding) this.#abort(reason);
      },
    });
    if (caller?.aborted) onCallerAbort();
    this.#pump();
    await finished;
    this.#pace.close();
    unfollow();
    caller?.removeEventListener("abort", onCallerAbort);
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#summary;
  }

  /** Called when reports were answered, files have come, the connection has ended, or a wait is over. */
  woken(): void {
    this.#turnedAt = performance.now();
    this.#pump();
  }

  /** Called when a report failed that the loop did not make. The loop rejects with the first failure. */
  failed(error: unknown): void {
    if (!this.#host.isEnded) this.#failure ??= { error };
    this.#pump();
  }

  #abort(reason: unknown, stopped = stopOf(reason)): void {
    if (stopped === undefined) this.#failure ??= { error: reason };
    else this.#summary.stopped ??= stopped;
    this.#controller.abort(reason);
    this.#pump();
  }

  #pump(): void {
    let mayBegin = true;
    while (this.#isWorking && !this.#files.isThrough && this.#hasRoom) {
      const nowMs = performance.now();
      mayBegin = this.#pace.mayBegin(nowMs);
      if (!mayBegin) break;
      if (nowMs - this.#turnedAt > maxTurnMs) {
        this.#yield();
        return;
      }
      const file = this.#files.next();
      if (file === undefined) break;
      void this.#process(file, this.#pace.begin(nowMs));
    }
    if (this.#isWorking) this.#files.need(mayBegin && this.#hasRoom ? this.#free : 0, this.#running);
    const isThrough = this.#isEnding || (this.#heldSinceMs === undefined && this.#files.isThrough);
    const isIdle = this.#running === 0 && this.#reporting === 0 && !this.#host.hasOutstanding;
    if (isThrough && isIdle) this.#finish();
  }

  /** Yields to the event loop, as purely synchronous work would otherwise delay acks, a pause and signals. */
  #yield(): void {
    if (this.#isYielding) return;
    this.#isYielding = true;
    setImmediate(() => {
      this.#isYielding = false;
      this.#turnedAt = performance.now();
      this.#pump();
    });
  }

  get #hasRoom(): boolean {
    return this.#running < this.#options.concurrency && this.#host.hasRoom;
  }

  /** How many more files could begin now. */
  get #free(): number {
    return Math.max(0, this.#pace.atOnce - this.#running);
  }

  get #isWorking(): boolean {
    return !this.#isEnding && this.#heldSinceMs === undefined && !this.#host.signal.aborted;
  }

  get #isEnding(): boolean {
    return this.#summary.stopped !== null || this.#failure !== undefined;
  }

  async #process(file: string, call: Call): Promise<void> {
    this.#running++;
    try {
      const report = await this.#attempt(file, call);
      if (report !== undefined) {
        this.#files.ended(file);
        this.#report(file, report);
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#running--;
    this.#pump();
  }

  /** Works on a file and returns its report; undefined if the file stays pending. */
  async #attempt(file: string, call: Call): Promise<EncodedReport | undefined> {
    const added: string[] = [];
    const add = (...files: string[]) => void added.push(...files.map(asFile));
    try {
      const result = await this.#task(file, this.#controller.signal, add);
      const report = encodeFile(file, result, added);
      this.#pace.succeeded(file, call);
      return report;
    } catch (error) {
      if (error instanceof NotNow) {
        if (!this.#refused(file, call, error)) return undefined;
      } else this.#pace.failed();
      // The end of the loop has probably caused this error.
      if (this.#controller.signal.aborted) return undefined;
      if (this.#options.onError === undefined) throw error;
      const result = await this.#options.onError(error, file);
      if (result !== undefined) return encodeFile(file, result, added);
      this.#summary.failed++;
      this.#files.failed(file);
      return undefined;
    }
  }

  /** Defers a refused file. Returns true if the file is at fault, and has failed. */
  #refused(file: string, call: Call, error: NotNow): boolean {
    const isOtherLeft = this.#files.isFreshLeft || this.#running > 1;
    const isAtFault = this.#pace.refused(file, call, error, isOtherLeft);
    if (this.#pace.isGivenUp) this.#abort(error, "not_now");
    if (isAtFault) return true;
    this.#files.defer(file);
    return false;
  }

  #report(file: string, report: EncodedReport): void {
    this.#reporting++;
    this.#host.submit(report, {
      resolve: () => {
        this.#reporting--;
        this.#summary.processed++;
        this.#files.reported(file);
      },
      reject: (error) => {
        this.#reporting--;
        this.#summary.unacknowledged++;
        this.#notReported(file, error);
      },
    });
  }

  #notReported(file: string, error: Error): void {
    // The signal has the reason already.
    if (this.#host.isEnded) return;
    const ending = isSessiondError(error) ? endings[error.code as keyof typeof endings] : undefined;
    if (ending !== undefined) this.#summary.stopped ??= ending;
    else this.#failure ??= { error: aboutFile(file, error) };
  }
}

/** Why a worker stopped; undefined if the reason is an error. */
function stopOf(reason: unknown): ForEachSummary["stopped"] | undefined {
  if (!(reason instanceof WorkerStopped)) return undefined;
  return reason.stopped === "detached" ? "aborted" : reason.stopped;
}

function asFile(file: unknown): string {
  if (typeof file === "string") return file;
  throw new SessiondError("invalid_request", "the files to add must be strings");
}

function aboutFile(file: string, error: Error): Error {
  if (!isSessiondError(error)) return error;
  const { code, message, outcome } = error;
  return new SessiondError(code, `the report of ${file} was refused: ${message}`, { outcome, cause: error });
}
