/**
 * The files of a loop over a shared session: what the worker claims, and behind that the files that were
 * refused, which stay with this worker.
 */
import type { ClaimsAhead } from "./claims-ahead.ts";
import type { LoopSource } from "./loop-source.ts";

/** The daemon says nothing while no file is free. After this time without an answer, none is. */
const silenceMs = 100;

export interface SharedLoopHooks {
  /** The loop may go on. */
  wake(): void;
  /** The loop has ended: it need not be told any more. */
  ended(): void;
}

export class SharedLoopFiles implements LoopSource {
  readonly #claimed: ClaimsAhead;
  readonly #hooks: SharedLoopHooks;
  /** Files that the loop has begun, and whose report is not durable. */
  readonly #taken = new Set<string>();
  /** Files that were refused: they come after the others, in this order. */
  readonly #deferred = new Set<string>();
  /** Files on which the work has failed: the loop does not come to them again. */
  readonly #failed = new Set<string>();
  /** Whether the failed files were given back, to see whether anything else is free. */
  #isOffered = false;
  /** Runs while the daemon may still answer; has ended if `isSilent`. */
  #silence: NodeJS.Timeout | undefined;
  #isSilent = false;
  /** Whether nothing is free but what has failed here. */
  #isGivenUp = false;

  constructor(claimed: ClaimsAhead, hooks: SharedLoopHooks) {
    this.#claimed = claimed;
    this.#hooks = hooks;
  }

  get isThrough(): boolean {
    const isNoneHere = this.#deferred.size === 0 && this.#claimed.count === 0;
    return isNoneHere && (this.#claimed.isThrough || this.#isGivenUp);
  }

  get isFreshLeft(): boolean {
    return this.#claimed.count > 0;
  }

  next(): string | undefined {
    for (let file = this.#claimed.next(); file !== undefined; file = this.#claimed.next()) {
      this.#taken.add(file);
      if (!this.#failed.has(file)) return this.#begin(file);
      // It has come back. Unless another one comes with it, nothing else is free.
      if (this.#isOffered && this.#claimed.count === 0) this.#isGivenUp = true;
    }
    const [file] = this.#deferred;
    if (file === undefined || this.#mayCome()) return undefined;
    this.#deferred.delete(file);
    return file;
  }

  need(free: number, running: number): void {
    if (this.#isGivenUp) return;
    // As long as a file is deferred, another one is at hand that comes before it.
    this.#claimed.need(free, running, this.#deferred.size > 0 ? 1 : 0);
    const isIdle = running === 0 && free > 0 && this.#deferred.size === 0 && this.#claimed.isWaiting;
    if (isIdle && !this.#isOffered && this.#failed.size > 0) this.#offer();
  }

  defer(file: string): void {
    this.#deferred.add(file);
  }

  failed(file: string): void {
    this.#claimed.ended(file);
    this.#failed.add(file);
  }

  ended(file: string): void {
    this.#claimed.ended(file);
  }

  reported(file: string): void {
    this.#taken.delete(file);
  }

  added(): void {
    this.#claimed.added();
  }

  end(): void {
    this.#hooks.ended();
    clearTimeout(this.#silence);
    this.#claimed.end();
    this.#claimed.giveBack([...this.#taken]);
  }

  #begin(file: string): string {
    this.#isOffered = false;
    this.#isSilent = false;
    return file;
  }

  /** Whether the daemon may be about to bring another file, which comes before those that were refused. */
  #mayCome(): boolean {
    if (!this.#claimed.isWaiting || this.#isSilent) return false;
    this.#silence ??= setTimeout(() => {
      this.#silence = undefined;
      this.#isSilent = this.#claimed.isWaiting;
      this.#hooks.wake();
    }, silenceMs);
    return true;
  }

  /**
   * The daemon is silent while nothing is free. So a loop with nothing to do but its failed files gives them
   * back: whoever waits may try them once, and if they come back, this loop has nothing else to wait for.
   */
  #offer(): void {
    this.#isOffered = true;
    this.#claimed.giveBack([...this.#failed].filter((file) => this.#taken.delete(file)));
  }
}
