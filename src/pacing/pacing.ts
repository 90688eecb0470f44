/**
 * Decides how many calls to a service run at once and when the next one may begin, from how earlier calls
 * ended. Pure: the caller gives the times, in milliseconds of a clock that nobody sets.
 *
 * The room pacing/ owns what to do when a service says "not now": slow down, wait, try again, give up. It
 * knows nothing of sessions, commands or timers.
 */
import { growingMs, jittered } from "./growing-wait.ts";

export interface PacingOptions {
  /** The most calls at once, 1 or more. */
  readonly atMost: number;
  /** After this time without a success, a refusal means giving up. */
  readonly maxDeferMs: number;
  /** Returns numbers from 0 to below 1, for jitter. */
  readonly random: () => number;
}

/** A call that has begun. */
export interface Call {
  /** How many slow-downs there had been. */
  readonly slowDowns: number;
  /** Whether no further call could begin beside this one. */
  readonly isLast: boolean;
  /** Whether the call began as soon as the gap between two starts was over. */
  readonly isOnPace: boolean;
}

/** How a service slows its caller down. */
export interface Slowed {
  /** The most calls at once now. */
  readonly atOnce: number;
  /** No call begins before this time; undefined if nothing is waited for. */
  readonly waitsUntilMs: number | undefined;
  /** Whether the service itself named that time. */
  readonly isAsked: boolean;
}

/** A timer of Node.js takes no longer time. Whoever waits for longer looks again in between. */
export const longestTimerMs = 2 ** 31 - 1;

const firstWaitMs = 1000;
const longestWaitMs = 300_000;
/** A named time is kept exactly, apart from a little jitter: several callers may have been told the same. */
const askedJitter = { share: 0.05, mostMs: 5000 };
/** The gap between two starts shrinks with each success, so that a limit is met again after some hundreds. */
const speedUp = 1.004;
/** The gap is a little longer than the measured one, as a bucket without any reserve refuses every hiccup. */
const caution = 0.9;
/** Timers are late. A start may be this late without delaying the next ones. */
const latenessMs = 20;

/**
 * Two limits work together. The number of calls at once is halved by a slow-down and grows by successes, as
 * in TCP. The gap between two starts follows the rate that the service has sustained between two slow-downs,
 * because a service with a limit per minute refuses even one call at once.
 */
export class Pacing {
  readonly #atMost: number;
  readonly #maxDeferMs: number;
  readonly #random: () => number;
  #running = 0;
  /** The most calls at once, with a fraction. */
  #window: number;
  /** Milliseconds between two starts. */
  #gapMs = 0;
  /** The gap allows no start before this time. */
  #gapEndsMs = Number.NEGATIVE_INFINITY;
  /** A wait allows no start before this time. */
  #waitEndsMs = Number.NEGATIVE_INFINITY;
  #isAsked = false;
  #slowedMs: number | undefined;
  #slowDowns = 0;
  /** Slow-downs since the last success. */
  #inARow = 0;
  /** Calls since the last slow-down that the service took, whatever became of them. */
  #taken = 0;
  /** Calls a millisecond that the service sustained: the last two measurements. */
  #rates: number[] = [];
  /** The first refusal since the last success. */
  #refusedSinceMs: number | undefined;
  #isGivenUp = false;

  constructor({ atMost, maxDeferMs, random }: PacingOptions) {
    this.#atMost = atMost;
    this.#window = atMost;
    this.#maxDeferMs = maxDeferMs;
    this.#random = random;
  }

  /** The most calls at once now. */
  get atOnce(): number {
    return Math.floor(this.#window);
  }

  /** Whether the service has refused for as long as the caller is willing to wait. */
  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  /** Milliseconds until the next call may begin; infinite while as many run as may. */
  startsInMs(nowMs: number): number {
    if (this.#running >= this.atOnce) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#waitEndsMs - nowMs, this.#gapEndsMs - nowMs);
  }

  /** Undefined while the service takes what it is given. */
  slowed(nowMs: number): Slowed | undefined {
    const isWaiting = this.#waitEndsMs > nowMs;
    if (!isWaiting && this.#inARow === 0 && this.atOnce === this.#atMost) return undefined;
    const waitsUntilMs = isWaiting ? this.#waitEndsMs : undefined;
    return { atOnce: this.atOnce, waitsUntilMs, isAsked: isWaiting && this.#isAsked };
  }

  /** Counts a call that begins now. Its end is told by one of the four methods that follow. */
  begin(nowMs: number): Call {
    this.#running++;
    const isOnPace = nowMs < this.#gapEndsMs + this.#gapMs;
    if (this.#gapMs > 0) {
      const spareMs = Math.min(latenessMs, this.#gapMs / 2);
      this.#gapEndsMs = Math.max(this.#gapEndsMs, nowMs - spareMs) + this.#gapMs;
    }
    return { slowDowns: this.#slowDowns, isLast: this.#running >= this.atOnce, isOnPace };
  }

  /** The service has done what the call asked for. */
  succeeded({ slowDowns, isLast, isOnPace }: Call): void {
    this.#running--;
    this.#taken++;
    this.#inARow = 0;
    this.#refusedSinceMs = undefined;
    // What began earlier says nothing of how much the service takes since then.
    if (slowDowns < this.#slowDowns) return;
    if (isLast) this.#window = Math.min(this.#atMost, this.#window + 1 / this.#window);
    if (isOnPace) this.#gapMs /= speedUp;
  }

  /** The call ended in an error of its own: the service took it, but that is no sign of health. */
  failed(): void {
    this.#running--;
    this.#taken++;
  }

  /** The call was ended by its caller, and says nothing of the service. */
  dropped(): void {
    this.#running--;
  }

  /**
   * The service said "not now".
   *
   * @param retryAfterMs how long the service asks to be left alone, in milliseconds;
   * 0 or undefined if it names no time
   */
  refused({ slowDowns }: Call, nowMs: number, retryAfterMs: number | undefined): void {
    this.#running--;
    this.#refusedSinceMs ??= nowMs;
    const askedMs = retryAfterMs !== undefined && retryAfterMs > 0 ? retryAfterMs : undefined;
    // All calls that had begun when the service was full meet the same refusal.
    const isNew = slowDowns === this.#slowDowns;
    if (isNew) this.#slowDown(nowMs);
    if (askedMs !== undefined) this.#waitUntil(nowMs + jittered(askedMs, askedJitter, this.#random), true);
    else if (isNew) this.#waitUntil(nowMs + this.#growingWaitMs(), false);
    this.#isGivenUp ||= nowMs - this.#refusedSinceMs >= this.#maxDeferMs;
  }

  /** The caller was held for so many milliseconds, which do not count as time without a success. */
  rested(ms: number): void {
    if (this.#refusedSinceMs !== undefined) this.#refusedSinceMs += ms;
  }

  #slowDown(nowMs: number): void {
    this.#measure(nowMs);
    this.#window = Math.max(1, Math.min(this.#window, this.#running + 1) / 2);
    this.#slowDowns++;
    this.#inARow++;
    this.#slowedMs = nowMs;
    this.#taken = 0;
    // The end of the wait is the time for the next start.
    this.#gapEndsMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Between two refusals a bucket gives out what flows into it, so the calls in between tell the rate. During
   * a wait the bucket may have overflowed, so half of that time counts. One long wait can spoil a
   * measurement; therefore the better of two counts. Without a call in between there is nothing to measure:
   * the service is down, or its rate is lower than the wait was long.
   */
  #measure(nowMs: number): void {
    if (this.#slowedMs === undefined || this.#taken === 0) return;
    const activeMs = Math.max(1, nowMs - Math.max(this.#waitEndsMs, this.#slowedMs));
    const elapsedMs = Math.max(activeMs, nowMs - this.#slowedMs);
    this.#rates = [...this.#rates.slice(-1), this.#taken / ((elapsedMs + activeMs) / 2)];
    const isFirst = this.#rates.length === 1;
    const measuredGapMs = 1 / Math.max(...this.#rates) / caution;
    // A first measurement has nothing to be compared with: it does no more than to halve the rate.
    const gapMs = isFirst ? Math.min(measuredGapMs, (2 * activeMs) / this.#taken) : measuredGapMs;
    this.#gapMs = Math.min(longestWaitMs, Math.max(this.#gapMs, gapMs));
  }

  #growingWaitMs(): number {
    const firstMs = Math.max(firstWaitMs, this.#gapMs);
    return growingMs(this.#inARow, { firstMs, longestMs: longestWaitMs }, this.#random);
  }

  #waitUntil(untilMs: number, isAsked: boolean): void {
    // At the end of the patience there is one more try.
    const limitMs = (this.#refusedSinceMs as number) + this.#maxDeferMs;
    const until = Math.min(untilMs, limitMs);
    if (until <= this.#waitEndsMs) return;
    this.#waitEndsMs = until;
    this.#isAsked = isAsked;
  }
}
