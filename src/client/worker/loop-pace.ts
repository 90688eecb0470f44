/** When a loop takes its next file: paced by how its work fares with the service behind it. */
import { type Call, longestTimerMs, Pacing, type PacingOptions } from "../../pacing/pacing.ts";
import { RefusedFiles } from "../../pacing/refused-files.ts";
import type { NotNow } from "./not-now.ts";

export class LoopPace {
  readonly #pacing: Pacing;
  readonly #refused = new RefusedFiles();
  readonly #wake: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** `wake` is called when the next file may begin, after `begin` has refused it. */
  constructor(options: Omit<PacingOptions, "random">, wake: () => void) {
    this.#pacing = new Pacing({ ...options, random: Math.random });
    this.#wake = wake;
  }

  /** Whether the work was refused for as long as the caller is willing to wait. */
  get isGivenUp(): boolean {
    return this.#pacing.isGivenUp;
  }

  /** The most files at once now. */
  get atOnce(): number {
    return this.#pacing.atOnce;
  }

  mayBegin(nowMs: number): boolean {
    const waitMs = this.#pacing.startsInMs(nowMs);
    if (waitMs === 0) return true;
    clearTimeout(this.#timer);
    // When as many files are worked on as may be, the end of one of them is waited for.
    if (waitMs !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(this.#wake, Math.min(Math.ceil(waitMs), longestTimerMs));
    }
    return false;
  }

  begin(nowMs: number): Call {
    return this.#pacing.begin(nowMs);
  }

  succeeded(file: string, call: Call): void {
    this.#pacing.succeeded(call);
    this.#refused.succeeded(file);
  }

  failed(): void {
    this.#pacing.failed();
  }

  /** Returns true if the file itself is at fault: it was refused too often while others succeeded. */
  refused(file: string, call: Call, { retryAfterMs }: NotNow, isOtherLeft: boolean): boolean {
    this.#pacing.refused(call, performance.now(), retryAfterMs);
    return this.#refused.refused(file, { isOtherLeft });
  }

  /** The loop was held for so long. */
  rested(ms: number): void {
    this.#pacing.rested(ms);
  }

  /** Ends a wait. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
