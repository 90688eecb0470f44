/**
 * The files of a shared session for one loop. It claims as much as the loop needs, and ahead of that about a
 * second's worth of work, and gives back what the loop does not begin soon.
 */
import { maxClaim } from "../../contract/channel.ts";
import { isSessiondError } from "../../error.ts";
import type { Status } from "../../session/session.ts";
import type { Claimed } from "./claims.ts";

/** What is needed of the worker; see {@link SharedWorkerSession}. */
export interface Claimer {
  readonly status: Status | "deleted";
  readonly left: number;
  readonly workers: number;
  claim(count: number, options: { signal: AbortSignal }): Promise<Claimed>;
  release(files: readonly string[]): Promise<void>;
}

export interface ClaimsAheadHooks {
  /** Files have come, or it is known that none will come. */
  wake(): void;
  /** A claim has failed: no file will come. */
  failed(error: unknown): void;
}

/** So much work is claimed ahead. As often, what was claimed is compared with what was done. */
const aheadMs = 1000;
/** The mean time of a file counts as no less, in milliseconds. */
const leastMs = 0.001;
/** How much the latest file counts in the mean time of a file. */
const weight = 1 / 8;

export class ClaimsAhead {
  readonly #worker: Claimer;
  readonly #hooks: ClaimsAheadHooks;
  readonly #over = new AbortController();
  /** When the work on each file began. */
  readonly #begun = new Map<string, number>();
  /** How long the work on a file takes. */
  #meanMs = 0;
  #ended = 0;
  #endedBeforeReview = 0;
  #queue: string[] = [];
  /** Of the next file in the queue. */
  #position = 0;
  #isWaiting = false;
  /** Whether the daemon has said that no file is left. */
  #isNoneLeft = false;
  /** With so few files in the queue, more are claimed. */
  #refillAt = 0;
  /** What the loop last asked for: files that can begin now, and files that it wants in any case. */
  #free = 0;
  #least = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(worker: Claimer, hooks: ClaimsAheadHooks) {
    this.#worker = worker;
    this.#hooks = hooks;
  }

  /** Files that are claimed and have not begun. */
  get count(): number {
    return this.#queue.length - this.#position;
  }

  /** How many files of the session are pending, whoever holds them. */
  get left(): number {
    return this.#worker.left;
  }

  /** Whether a claim has no answer yet. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Whether no file will come any more. */
  get isThrough(): boolean {
    return this.count === 0 && this.#isNoneLeft;
  }

  /**
   * So many files could begin now beside those that run, and at least so many are wanted, even if none could
   * begin. Claims what is missing: one file for each that could begin. Ahead of that about a second's worth
   * of work, but no more than its fair part of what is left, and no more files than have ended already.
   */
  need(free: number, running: number, least = 0): void {
    this.#free = free;
    this.#least = least;
    if (this.#isWaiting || this.#isNoneLeft || this.#over.signal.aborted) return;
    const { count } = this;
    if (count >= Math.max(free, least) && count > this.#refillAt) return;
    const inTime = ((free + running) * aheadMs) / Math.max(leastMs, this.#meanMs);
    const fair = Math.ceil(this.#worker.left / this.#worker.workers) - running;
    const ahead = Math.floor(Math.min(inTime, fair, this.#ended));
    const wanted = Math.min(maxClaim, Math.max(free, least, ahead));
    this.#refillAt = Math.floor(wanted / 2);
    if (wanted > count) void this.#claim(wanted - count);
  }

  /** Takes the next file; undefined if none is here now. */
  next(): string | undefined {
    const file = this.#queue[this.#position];
    if (file === undefined) return undefined;
    this.#position++;
    this.#begun.set(file, performance.now());
    return file;
  }

  /** The work on a file has ended. */
  ended(file: string): void {
    const begunMs = this.#begun.get(file);
    if (begunMs === undefined) return;
    this.#begun.delete(file);
    const tookMs = performance.now() - begunMs;
    this.#meanMs += (tookMs - this.#meanMs) * (this.#ended === 0 ? 1 : weight);
    this.#ended++;
  }

  /** Gives files to the other workers; also those that have begun, and after the end. */
  giveBack(files: readonly string[]): void {
    for (const file of files) this.#begun.delete(file);
    if (files.length > 0) void this.#release(files);
  }

  /** Files were added to the session: there may be some again. */
  added(): void {
    this.#isNoneLeft = false;
  }

  /** Claims nothing more, and gives back what has not begun. What comes later is given back at once. */
  end(): void {
    this.#over.abort();
    clearInterval(this.#timer);
    this.giveBack(this.#queue.splice(this.#position));
  }

  async #claim(count: number): Promise<void> {
    this.#isWaiting = true;
    try {
      const { files } = await this.#worker.claim(count, { signal: this.#over.signal });
      this.#queue = [...this.#queue.slice(this.#position), ...files];
      this.#position = 0;
      this.#isNoneLeft = files.length === 0;
      this.#timer ??= setInterval(() => this.#review(), aheadMs);
    } catch (error) {
      if (this.#over.signal.aborted) return;
      this.#isNoneLeft = true;
      this.#hooks.failed(error);
    } finally {
      this.#isWaiting = false;
    }
    this.#hooks.wake();
  }

  /** Gives back what was claimed too far ahead, because the work has become slower. */
  #review(): void {
    const ended = this.#ended - this.#endedBeforeReview;
    this.#endedBeforeReview = this.#ended;
    if (this.#worker.status !== "running") return;
    const most = Math.max(this.#free, this.#least, ended);
    if (this.count > 2 * most) this.giveBack(this.#queue.splice(this.#position + most));
  }

  async #release(files: readonly string[]): Promise<void> {
    try {
      await this.#worker.release(files);
    } catch (error) {
      // Another program may have ended the claim of one of them, which says nothing of the others.
      if (isSessiondError(error, "not_claimed")) {
        if (files.length > 1) for (const file of files) this.giveBack([file]);
      } else if (!this.#over.signal.aborted) {
        // They are still claimed, so nobody else can work on them.
        this.#queue.push(...files);
        this.#hooks.wake();
      }
    }
  }
}
