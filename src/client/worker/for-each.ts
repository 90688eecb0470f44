/**
 * The loop of `forEach` over the pending files of a session: what to work on, what to report, and when to
 * end.
 */
import { setMaxListeners } from "node:events";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Session } from "../../session/session.ts";
import type { ForEachOptions, ForEachSummary, Work } from "./for-each-options.ts";
import type { Receipt } from "./outbox.ts";
import { type EncodedReport, encodeFile } from "./report.ts";
import { WorkerStopped } from "./stop.ts";

/** What a loop needs of its worker. */
export interface LoopHost {
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Whether the lease has ended, so that nothing can be reported. */
  readonly isEnded: boolean;
  /** Whether there are few enough outstanding reports to start more work. */
  readonly hasRoom: boolean;
  /** Whether any report is waiting for its answer. */
  readonly hasOutstanding: boolean;
  isPending(file: string): boolean;
  /** Reports a file. May call the receipt before it returns. */
  submit(report: EncodedReport, receipt: Receipt): void;
}

const maxTurnMs = 10;

/** Refusals that mean the end of the lease, and may arrive before the connection is closed. */
const endings = {
  lease_lost: "lease_lost",
  session_deleted: "deleted",
  session_not_found: "deleted",
} as const;

export class Loop {
  readonly #host: LoopHost;
  readonly #work: Work;
  readonly #options: ForEachOptions;
  readonly #concurrency: number;
  readonly #controller = new AbortController();
  readonly #summary: ForEachSummary = { processed: 0, failed: 0, unacknowledged: 0, stopped: null };
  #failure: { error: unknown } | undefined;
  #queue: readonly string[] | string[] = [];
  #position = 0;
  /** The pending files on which this loop is working or has worked. */
  readonly #taken = new Set<string>();
  #running = 0;
  #reporting = 0;
  /** The last time at which the event loop is known to have turned. */
  #turnedAt = performance.now();
  #isYielding = false;
  #finish: () => void = () => {};

  constructor(host: LoopHost, work: Work, options: ForEachOptions) {
    const { concurrency = 1 } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new SessiondError(
        "invalid_request",
        `concurrency must be a whole number, 1 or more, not ${concurrency}`,
      );
    }
    this.#host = host;
    this.#work = work;
    this.#options = options;
    this.#concurrency = concurrency;
    // The work on each file may add a listener.
    setMaxListeners(0, this.#controller.signal);
  }

  /**
   * Resolves when all finished files are durable, and either all files are done or the loop has ended early.
   */
  async run(): Promise<ForEachSummary> {
    const { signal: worker } = this.#host;
    const { signal: caller } = this.#options;
    const onWorkerAbort = () => this.#abort(worker.reason);
    const onCallerAbort = () => this.#abort(caller?.reason, "aborted");
    worker.addEventListener("abort", onWorkerAbort);
    caller?.addEventListener("abort", onCallerAbort);
    try {
      await new Promise<void>((resolve) => {
        this.#finish = resolve;
        if (worker.aborted) onWorkerAbort();
        if (caller?.aborted) onCallerAbort();
        this.replaced();
      });
    } finally {
      worker.removeEventListener("abort", onWorkerAbort);
      caller?.removeEventListener("abort", onCallerAbort);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#summary;
  }

  /** Called when files were added to the pending ones. */
  added(files: readonly string[]): void {
    this.#queue = [...this.#queue.slice(this.#position), ...files];
    this.#position = 0;
    this.#pump();
  }

  /** Called when the worker has received the whole session again. */
  replaced(): void {
    this.#queue = this.#host.session.pending_files;
    this.#position = 0;
    this.#pump();
  }

  /** Called when reports were acknowledged or refused. */
  answered(): void {
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
    while (!this.#isEnding && this.#running < this.#concurrency && this.#host.hasRoom) {
      if (performance.now() - this.#turnedAt > maxTurnMs) {
        this.#yield();
        return;
      }
      const file = this.#next();
      if (file === undefined) break;
      void this.#process(file);
    }
    const isThrough = this.#isEnding || this.#position === this.#queue.length;
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

  get #isEnding(): boolean {
    return this.#summary.stopped !== null || this.#failure !== undefined;
  }

  #next(): string | undefined {
    while (this.#position < this.#queue.length) {
      const file = this.#queue[this.#position++] as string;
      if (this.#taken.has(file) || !this.#host.isPending(file)) continue;
      this.#taken.add(file);
      return file;
    }
    return undefined;
  }

  async #process(file: string): Promise<void> {
    this.#running++;
    try {
      const report = await this.#attempt(file);
      if (report !== undefined) this.#report(file, report);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#running--;
    this.#pump();
  }

  /** Works on a file and returns its report; undefined if the file stays pending. */
  async #attempt(file: string): Promise<EncodedReport | undefined> {
    const added: string[] = [];
    const add = (...files: string[]) => void added.push(...files.map(asFile));
    try {
      const result = await this.#work(file, {
        session: this.#host.session,
        signal: this.#controller.signal,
        add,
      });
      return encodeFile(file, result, added);
    } catch (error) {
      // The end of the loop has probably caused this error.
      if (this.#controller.signal.aborted) return undefined;
      if (this.#options.onError === undefined) throw error;
      const result = await this.#options.onError(error, file);
      if (result !== undefined) return encodeFile(file, result, added);
      this.#summary.failed++;
      return undefined;
    }
  }

  #report(file: string, report: EncodedReport): void {
    this.#reporting++;
    this.#host.submit(report, {
      resolve: () => {
        this.#reporting--;
        this.#summary.processed++;
        this.#taken.delete(file);
      },
      reject: (error) => {
        this.#reporting--;
        this.#summary.unacknowledged++;
        this.#refused(file, error);
      },
    });
  }

  #refused(file: string, error: Error): void {
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
