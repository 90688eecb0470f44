/** The time of the database, told by the monotonic clock of this machine and measurements. */
import { type Clock, type Micros, microsPerMs } from "../../../time/clock.ts";

/** How many measurements count. The offset is that of the one whose answer came soonest. */
const kept = 8;
const maxDriftMicros = 1_000_000;

interface Measurement {
  /** The database's time less the monotonic time, in microseconds. */
  offset: number;
  /** By how much the offset can be wrong, in microseconds: half the time until the answer. */
  error: number;
}

/** Strictly increasing, except when the database's clock is set back by a second or more. */
export class ServerClock implements Clock {
  readonly #fallback: Clock;
  readonly #monotonicMs: () => number;
  #measured: Measurement[] = [];
  #last = 0;

  /** Until the first measurement the time is that of `fallback`. */
  constructor(fallback: Clock, monotonicMs: () => number = () => performance.now()) {
    this.#fallback = fallback;
    this.#monotonicMs = monotonicMs;
  }

  /** The database answered `us`, between two times of the monotonic clock. */
  measure(sentMs: number, answeredMs: number, us: Micros): void {
    const next: Measurement = {
      offset: us - ((sentMs + answeredMs) / 2) * microsPerMs,
      error: ((answeredMs - sentMs) / 2) * microsPerMs,
    };
    const best = this.#best();
    // They contradict each other: a clock was set, the machine slept, or another server answers.
    if (best !== undefined && Math.abs(best.offset - next.offset) > best.error + next.error + driftMicros) {
      this.#measured = [];
    }
    this.#measured = [...this.#measured, next].slice(-kept);
  }

  now(): Micros {
    const best = this.#best();
    const real =
      best === undefined ? this.#fallback.now() : Math.round(this.#monotonicMs() * microsPerMs + best.offset);
    const ahead = this.#last - real;
    this.#last = ahead >= 0 && ahead < maxDriftMicros ? this.#last + 1 : real;
    return this.#last;
  }

  #best(): Measurement | undefined {
    return this.#measured.reduce<Measurement | undefined>(
      (best, one) => (best === undefined || one.error <= best.error ? one : best),
      undefined,
    );
  }
}

/** What two clocks drift apart between heartbeats that are kept, with much to spare. */
const driftMicros = 5000;
