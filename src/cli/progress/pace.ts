/** The rate of a run: how many files it finishes per second of work. */
import { type RunSnapshot, workedMs } from "../../runner/snapshot.ts";
import { observe, perSecond, type Rate, startRate } from "./rate.ts";

/** A number that changes more often cannot be read. */
const steadyMs = 1000;

/** Counts only what the run does itself, not the files of earlier runs. */
export class Pace {
  #rate: Rate | undefined;
  #shown: { perSecond: number | undefined; atMs: number } | undefined;

  see(snapshot: RunSnapshot, nowMs: number): void {
    const { done, failed } = snapshot;
    this.#rate = observe(this.#rate ?? startRate(0, 0), workedMs(snapshot, nowMs), done + failed);
  }

  /**
   * Recent files per second; undefined until there is enough to tell. The number stays the same for a second.
   */
  perSecond(nowMs: number): number | undefined {
    if (this.#shown === undefined || nowMs - this.#shown.atMs >= steadyMs) {
      this.#shown = { perSecond: this.#rate && perSecond(this.#rate), atMs: nowMs };
    }
    return this.#shown.perSecond;
  }

  /** Files per second over the whole run. */
  overall(snapshot: RunSnapshot): number | undefined {
    const { done, failed, nowMs } = snapshot;
    const elapsedMs = workedMs(snapshot, nowMs);
    return elapsedMs > 0 && done + failed > 0 ? ((done + failed) / elapsedMs) * 1000 : undefined;
  }
}
