/**
 * Since when this host and the database have worked without a break. Only a host that was there all the time
 * can tell that another one was silent: after a break, such as an outage of the database, the heartbeat of
 * every host is old. Pure: times are given, in milliseconds.
 */

export interface Beat {
  /** When it was answered, by a monotonic clock of this host. */
  readonly atMs: number;
  /** How long the database server has been running. */
  readonly serverUpMs: number;
  /** Since when the database is available without a break, by the clock of `atMs`. */
  readonly availableSinceMs: number;
}

export class Steadiness {
  readonly #maxGapMs: number;
  #sinceMs = Number.POSITIVE_INFINITY;
  #last: Beat | undefined;

  /** Heartbeats that are further apart than `maxGapMs` are a break. */
  constructor(maxGapMs: number) {
    this.#maxGapMs = maxGapMs;
  }

  /** Takes a heartbeat. Returns whether it came after a break. */
  take(beat: Beat): boolean {
    const before = this.#last?.atMs ?? Number.NEGATIVE_INFINITY;
    const isLate = beat.atMs - before > this.#maxGapMs;
    if (isLate) this.#sinceMs = beat.atMs;
    this.#last = beat;
    return isLate;
  }

  /** For how long there was no break, as of the last heartbeat. */
  get steadyMs(): number {
    if (this.#last === undefined) return 0;
    const { atMs, serverUpMs, availableSinceMs } = this.#last;
    return Math.max(0, Math.min(atMs - Math.max(this.#sinceMs, availableSinceMs), serverUpMs));
  }
}
