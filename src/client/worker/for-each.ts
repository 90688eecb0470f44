/** The loop over the files of a session: which to work on next, what to report, and when to end. */
import { setMaxListeners } from "node:events";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Session } from "../../session/session.ts";
import type { Receipt } from "./outbox.ts";
import { type EncodedReport, encodeFile } from "./report.ts";
import { type StopCause, WorkerStopped } from "./stop.ts";

export interface WorkContext {
  /** The session as it is now. */
  session: Session;
  /** Aborted when the loop is to end early. What finishes all the same is still reported. */
  signal: AbortSignal;
  /** Files that turned out to need work. They are reported together with this one, and join the loop. */
  add: (...files: string[]) => void;
}

/** Works on a file. What it returns is kept as the result of that file; `undefined` is no result. */
export type Work = (file: string, context: WorkContext) => unknown;

export interface ForEachOptions {
  /** How many files are worked on at once; default 1. */
  concurrency?: number | undefined;
  /** Ends the loop early. */
  signal?: AbortSignal | undefined;
  /**
   * Decides about a file whose work has failed: what it returns is kept as the result of the file, `undefined` leaves the
   * file pending, and what it throws ends the loop. Without it, the first failure does.
   */
  onError?: ((error: unknown, file: string) => unknown) | undefined;
}

export interface ForEachSummary {
  /** Files that were reported, durably. */
  processed: number;
  /** Files whose work failed, and that `onError` left pending. */
  failed: number;
  /** Files that were worked on and may not have been recorded, because the session was lost. */
  unacknowledged: number;
  /** What ended the loop before all files were done, if anything. */
  stopped: Exclude<StopCause, "detached"> | "aborted" | null;
}

/** What a loop needs of its worker. */
export interface LoopHost {
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Nothing can be reported any more. */
  readonly isEnded: boolean;
  /** Not so much is under way that more should wait. */
  readonly hasRoom: boolean;
  /** Nothing is under way. */
  readonly isSettled: boolean;
  isPending(file: string): boolean;
  /** The receipt may be told at once. */
  submit(report: EncodedReport, receipt: Receipt): void;
}

const maxTurnMs = 10;

/** Refusals that tell of the end of the lease before the daemon closes the connection. */
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
  /** Files that this loop is through with, or working on, and that are still pending. */
  readonly #taken = new Set<string>();
  #running = 0;
  #reporting = 0;
  /** When the event loop was last known to turn. */
  #turnedAt = performance.now();
  #isYielding = false;
  #finish: () => void = () => {};

  constructor(host: LoopHost, work: Work, options: ForEachOptions) {
    const { concurrency = 1 } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new SessiondError(
        "invalid_request",
        `concurrency must be a whole number from 1, not ${concurrency}`,
      );
    }
    this.#host = host;
    this.#work = work;
    this.#options = options;
    this.#concurrency = concurrency;
    // Each file that is worked on may listen.
    setMaxListeners(0, this.#controller.signal);
  }

  /** Resolves when all files are done and durable, or when the loop has ended early and what was finished is durable. */
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

  /** Files became pending. */
  added(files: readonly string[]): void {
    this.#queue = [...this.#queue.slice(this.#position), ...files];
    this.#position = 0;
    this.#pump();
  }

  /** The whole session is known anew. */
  replaced(): void {
    this.#queue = this.#host.session.pending_files;
    this.#position = 0;
    this.#pump();
  }

  /** Something was acknowledged or refused. */
  settled(): void {
    this.#turnedAt = performance.now();
    this.#pump();
  }

  /** A report failed that the loop did not make. The first failure is what the loop rejects with. */
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
    if (isThrough && this.#running === 0 && this.#reporting === 0 && this.#host.isSettled) this.#finish();
  }

  /** Work that waits for nothing would keep everything else waiting: the acks, a pause, the signals of the process. */
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

  /** What is to be reported of a file; nothing, if it stays pending. */
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
      // Whatever it is, the end of the loop is the likely cause.
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
    // Then the signal has said why.
    if (this.#host.isEnded) return;
    const ending = isSessiondError(error) ? endings[error.code as keyof typeof endings] : undefined;
    if (ending !== undefined) this.#summary.stopped ??= ending;
    else this.#failure ??= { error: aboutFile(file, error) };
  }
}

/** What a worker stopped for, unless it was an error. */
function stopOf(reason: unknown): ForEachSummary["stopped"] | undefined {
  if (!(reason instanceof WorkerStopped)) return undefined;
  return reason.stopped === "detached" ? "aborted" : reason.stopped;
}

function asFile(file: unknown): string {
  if (typeof file === "string") return file;
  throw new SessiondError("invalid_request", "the files to add must be names");
}

function aboutFile(file: string, error: Error): Error {
  if (!isSessiondError(error)) return error;
  const { code, message, outcome } = error;
  return new SessiondError(code, `the report of ${file} was refused: ${message}`, { outcome, cause: error });
}
