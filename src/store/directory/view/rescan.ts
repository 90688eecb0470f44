/**
 * When everything is compared with the directory: from time to time, as hints can be lost, and after a stall
 * of the event loop, which may have lost many. Knows when, not how.
 */
import type { Logger } from "../../../log.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { watchForStalls } from "./stalls.ts";

export interface RescanOptions {
  clock: Clock;
  logger: Logger;
  /** Compares everything. Resolves with whether that could be done. */
  compare: () => Promise<boolean>;
  /** How many milliseconds pass from one comparison to the next. */
  intervalMs: () => number;
  /** Called about twice a second. */
  onLook: () => void;
}

export class Rescan {
  readonly #options: RescanOptions;
  #running: Promise<void> | undefined;
  /** The comparison after the one that is under way. */
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #endStallWatch = () => {};
  #lastTime: string | null = null;
  #closed = false;

  constructor(options: RescanOptions) {
    this.#options = options;
  }

  /** When everything was last compared, as a timestamp; null before the first time. */
  get lastTime(): string | null {
    return this.#lastTime;
  }

  /** Everything was read just now. */
  begin(): void {
    this.#done();
    this.arm();
    this.#endStallWatch = watchForStalls(this.#options.onLook, () => void this.run().catch(() => {}));
  }

  /**
   * Compares everything as it is now or later. A comparison that is under way may have passed by what the
   * caller knows of, so another one follows it. Callers that wait at one time share that one.
   */
  run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#closed ? undefined : this.run();
      });
    return this.#next;
  }

  /** Sets the time of the next comparison, as the interval is now. */
  arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.run()
        .catch((error: unknown) =>
          this.#options.logger.error({ err: error }, "comparing the sessions directory failed"),
        )
        .finally(() => this.arm());
    }, this.#options.intervalMs()).unref();
  }

  /** Resolves when no comparison is under way; none begins any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#endStallWatch();
    await this.#running?.catch(() => {});
  }

  async #run(): Promise<void> {
    if (await this.#options.compare()) this.#done();
  }

  #done(): void {
    this.#lastTime = formatTimestamp(this.#options.clock.now());
  }
}
