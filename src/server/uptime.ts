/** How long the daemon has been running: by the time since boot, which no change of the clock changes. */
import type { BootTime } from "../time/boot-time.ts";
import { type Clock, formatTimestamp, type Micros, microsPerMs } from "../time/clock.ts";

/** The start time moves only with a clock that was set, not with what its corrections come to. */
const correctionMs = 2000;

export class Uptime {
  readonly #clock: Clock;
  readonly #bootTime: BootTime;
  readonly #startedMs: number;
  #started: Micros;

  /** Counts from now. */
  constructor(clock: Clock, bootTime: BootTime) {
    this.#clock = clock;
    this.#bootTime = bootTime;
    this.#startedMs = bootTime.sinceBootMs();
    this.#started = clock.now();
  }

  /** In milliseconds. The time that the machine was asleep counts. */
  get ms(): number {
    return Math.max(0, Math.round(this.#bootTime.sinceBootMs() - this.#startedMs));
  }

  /** When the daemon started, by the clock as it is now: this and {@link ms} always come to now. */
  get startedTime(): string {
    const started = this.#clock.now() - this.ms * microsPerMs;
    if (Math.abs(started - this.#started) > correctionMs * microsPerMs) this.#started = started;
    return formatTimestamp(this.#started);
  }
}
