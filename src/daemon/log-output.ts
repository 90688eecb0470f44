/**
 * Writes the log without ever waiting for its reader: what cannot be written waits in memory, up to a limit.
 * What does not fit is dropped and counted, and the log says so at the place where it is missing.
 */
import type { HealthProblem } from "../contract/replies.ts";
import { systemErrorCode } from "../error.ts";
import { formatSize } from "../text/size.ts";
import { roughDuration } from "../time/duration.ts";

/** How much of the log waits in memory while it cannot be written. */
const maxWaitingBytes = 1024 * 1024;
/**
 * A reader that takes a little at a time is offered more soon; one that has stopped is asked ever less often.
 */
const [shortestRetryMs, longestRetryMs] = [1, 100];
/** How long the end of the process waits for the reader. */
const flushMs = 1000;
/** A reader that is this slow is a problem to tell. */
const slowMs = 10_000;
/** For how long dropped lines are a problem to tell. */
const recentMs = 3_600_000;

export interface LogOutputOptions {
  /**
   * Writes the bytes or the first of them, and returns how many.
   *
   * @throws EAGAIN if the reader has no room for any
   */
  write(bytes: Uint8Array): number;
  /** The line that tells how many lines are missing, in the form of the log. */
  droppedLine(count: number): string;
}

export class LogOutput {
  readonly #options: LogOutputOptions;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** From the first line that does not fit until half of what waits is written. */
  #isDropping = false;
  /** Dropped, and not yet told in the log. */
  #untold = 0;
  #dropped = 0;
  #droppedAt = Number.NEGATIVE_INFINITY;
  /** Since when nothing could be written; undefined while nothing waits. */
  #stuckSince: number | undefined;
  /** The last write found no room, and no other trouble. */
  #isReaderSlow = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = shortestRetryMs;
  #flushEnd: number | undefined;

  constructor(options: LogOutputOptions) {
    this.#options = options;
  }

  /** How many lines were dropped since the start of the process. */
  get droppedLines(): number {
    return this.#dropped;
  }

  /** Takes a line. With `always` it is not dropped, however much waits. */
  write(line: string, { always = false }: { always?: boolean } = {}): void {
    const bytes = Buffer.from(line);
    const fits = !this.#isDropping && this.#waitingBytes + bytes.length <= maxWaitingBytes;
    if (!fits && !always) {
      this.#isDropping = true;
      this.#drop(1);
      return;
    }
    this.#add(bytes);
    if (this.#retry === undefined) this.#drain();
  }

  /** Writes what can be written within a second of the first call. The process waits for it. */
  flush(): void {
    this.#flushEnd ??= performance.now() + flushMs;
    const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
    this.#drain();
    while (this.#waiting.length > 0 && this.#isReaderSlow && performance.now() < this.#flushEnd) {
      Atomics.wait(nobodyWakes, 0, 0, 10);
      this.#drain();
    }
  }

  health(): HealthProblem[] {
    const now = performance.now();
    const stuckMs = this.#stuckSince === undefined ? 0 : now - this.#stuckSince;
    const hint =
      "if the log goes to a terminal, continue it with Ctrl-Q; else look at what reads it, or at its disk; sessiond goes on meanwhile";
    const dropped = `${this.#dropped} lines of it were dropped since the start`;
    if (stuckMs > slowMs) {
      const size = formatSize(this.#waitingBytes);
      const message = `the log could not be written for ${roughDuration(stuckMs)}: ${size} of it wait, ${dropped}`;
      return [{ code: "log_stuck", message, hint, session_id: null }];
    }
    if (now - this.#droppedAt > recentMs) return [];
    const message = `the log could not be written for a while: ${dropped}, the last ${roughDuration(now - this.#droppedAt)} ago`;
    return [{ code: "log_lines_dropped", message, hint, session_id: null }];
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#untold += count;
    this.#droppedAt = performance.now();
  }

  #drain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#writeSome(first)) return;
      if (this.#isDropping && this.#waitingBytes <= maxWaitingBytes / 2) this.#tellDropped();
    }
    this.#stuckSince = undefined;
  }

  /** Returns whether to go on. */
  #writeSome(first: Buffer): boolean {
    let count: number;
    try {
      count = this.#options.write(first);
    } catch (error) {
      // A pipe without a reader never gets one again. Anything else may pass: a reader that has no room, a
      // full disk.
      const code = systemErrorCode(error);
      this.#isReaderSlow = code === "EAGAIN";
      if (code === "EPIPE") this.#loseAll();
      else {
        this.#stuckSince ??= performance.now();
        this.#retry = setTimeout(() => this.#drain(), this.#retryMs).unref();
        this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
      }
      return false;
    }
    this.#stuckSince = undefined;
    this.#retryMs = shortestRetryMs;
    this.#waitingBytes -= count;
    if (count === first.length) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(count);
    return true;
  }

  #loseAll(): void {
    this.#drop(this.#waiting.length);
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#stuckSince = undefined;
  }

  #tellDropped(): void {
    this.#isDropping = false;
    this.#add(Buffer.from(this.#options.droppedLine(this.#untold)));
    this.#untold = 0;
  }
}
