/**
 * The hold of a run: its session is paused by somebody else, and the run waits until it is resumed. Measures
 * the time in which no command runs, which is no time of work. Pure: the caller gives the times, in
 * milliseconds of performance.now().
 */

export interface Held {
  readonly sinceMs: number;
  /** Since when no command runs; undefined while the running ones finish. */
  readonly idleSinceMs: number | undefined;
}

export class Hold {
  #held: Held | undefined;
  #earlierMs = 0;

  /** The present hold; undefined if there is none. */
  get held(): Held | undefined {
    return this.#held;
  }

  /** How long no command ran in earlier holds. */
  get earlierMs(): number {
    return this.#earlierMs;
  }

  begin(nowMs: number): void {
    this.#held ??= { sinceMs: nowMs, idleSinceMs: undefined };
  }

  /** No command runs now. Means nothing outside a hold. */
  idle(nowMs: number): void {
    const { sinceMs, idleSinceMs = nowMs } = this.#held ?? {};
    if (sinceMs !== undefined) this.#held = { sinceMs, idleSinceMs };
  }

  /** Returns how long the hold was; undefined if there was none. */
  end(nowMs: number): number | undefined {
    if (this.#held === undefined) return undefined;
    const { sinceMs, idleSinceMs = nowMs } = this.#held;
    this.#earlierMs += nowMs - idleSinceMs;
    this.#held = undefined;
    return nowMs - sinceMs;
  }
}
