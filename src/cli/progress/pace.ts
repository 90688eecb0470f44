import type { RunProgress } from "../../runner/progress.ts";
import { observe, perSecond, type Rate, startRate } from "./rate.ts";

/** A figure that changes more often cannot be read. */
const steadyMs = 1000;

/** How fast a run gets on with what it does itself; what was done before it began counts for nothing. */
export class Pace {
  #rate: Rate | undefined;
  #shown: { perSecond: number | undefined; atMs: number } | undefined;

  see({ done, failed, startedMs }: RunProgress, nowMs: number): void {
    this.#rate = observe(this.#rate ?? startRate(startedMs, 0), nowMs, done + failed);
  }

  /** Files per second of late; undefined until enough was seen. The same figure for a second. */
  perSecond(nowMs: number): number | undefined {
    if (this.#shown === undefined || nowMs - this.#shown.atMs >= steadyMs) {
      this.#shown = { perSecond: this.#rate && perSecond(this.#rate), atMs: nowMs };
    }
    return this.#shown.perSecond;
  }

  /** Files per second over the whole run. */
  overall({ done, failed, startedMs, nowMs }: RunProgress): number | undefined {
    const elapsedMs = nowMs - startedMs;
    return elapsedMs > 0 && done + failed > 0 ? ((done + failed) / elapsedMs) * 1000 : undefined;
  }
}
