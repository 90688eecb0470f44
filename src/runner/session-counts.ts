/**
 * How many files of a shared session are done, failed and pending, by the last look at it and by what this
 * run has finished since, and how many of them are from before the run. Pure.
 */
import type { Tally } from "./halt.ts";

/** What a look at the session has found. Failed files are processed as well. */
export interface Look {
  readonly processed: number;
  readonly failed: number;
  readonly pending: number;
  /** Workers of the session. */
  readonly workers: number;
}

/** Files that a run has finished itself. */
export interface Own {
  readonly done: number;
  readonly failed: number;
}

export class SessionCounts {
  #look: Look;
  #own: Own = { done: 0, failed: 0 };
  /** How many files this run had finished when the processed and pending ones were last told. */
  #seen = 0;
  /** How many had failed in this run when the failed ones were last told. */
  #seenFailed = 0;
  #doneEarlier: number;
  #failedEarlier: number;

  constructor(first: Look) {
    this.#look = first;
    this.#doneEarlier = first.processed - first.failed;
    this.#failedEarlier = first.failed;
  }

  /** This run has finished a file. */
  ended({ succeeded }: { succeeded: boolean }): void {
    const { done, failed } = this.#own;
    this.#own = succeeded ? { done: done + 1, failed } : { done, failed: failed + 1 };
  }

  /**
   * Takes what a look has found. `seen` is what this run had finished when the look began. What it has
   * finished since may be in the look or not: so that nothing counts twice, it counts with the next look.
   */
  looked(look: Look, seen: Own): void {
    this.#look = look;
    this.#seen = total(this.#own);
    this.#seenFailed = this.#own.failed;
    // Files from before the run that somebody has requeued count as new.
    this.#doneEarlier = Math.max(0, Math.min(this.#doneEarlier, look.processed - look.failed - seen.done));
    this.#failedEarlier = Math.max(0, Math.min(this.#failedEarlier, look.failed - seen.failed));
  }

  /** Takes what the answer to a claim tells: so many files are pending, and there are so many workers. */
  told(pending: number, workers: number): void {
    const { processed, failed, pending: before } = this.#look;
    this.#look = { processed: Math.max(failed, processed + before - pending), failed, pending, workers };
    this.#seen = total(this.#own);
  }

  get workers(): number {
    return this.#look.workers;
  }

  /** Files that this run has finished. */
  get own(): Own {
    return this.#own;
  }

  get pending(): number {
    return Math.max(0, this.#look.pending - this.#unseen);
  }

  /** Succeeded since the run began, whoever did it. */
  get done(): number {
    const processed = this.#look.processed + this.#unseen;
    return Math.max(0, processed - this.#failedNow - this.#doneEarlier);
  }

  /** Failed since the run began, whoever did it. */
  get failed(): number {
    return Math.max(0, this.#failedNow - this.#failedEarlier);
  }

  /** Succeeded before the run began. */
  get doneEarlier(): number {
    return this.#doneEarlier;
  }

  /** Failed before the run began, and have not run again since. */
  get failedEarlier(): number {
    return this.#failedEarlier;
  }

  /** What --halt counts. */
  get tally(): Tally {
    const { done, failed } = this;
    return { failed, succeeded: done, total: this.pending + done + failed };
  }

  get #failedNow(): number {
    return this.#look.failed + this.#own.failed - this.#seenFailed;
  }

  get #unseen(): number {
    return total(this.#own) - this.#seen;
  }
}

function total({ done, failed }: Own): number {
  return done + failed;
}
