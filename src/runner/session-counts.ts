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
  /** What this run had finished before the last look. */
  #seen: Own = this.#own;
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

  /** Takes what a look has found. `seen` is what this run had finished when the look began. */
  looked(look: Look, seen: Own): void {
    this.#look = look;
    this.#seen = seen;
    // Files from before the run that somebody has requeued count as new.
    this.#doneEarlier = Math.max(0, Math.min(this.#doneEarlier, look.processed - look.failed - seen.done));
    this.#failedEarlier = Math.max(0, Math.min(this.#failedEarlier, look.failed - seen.failed));
  }

  get workers(): number {
    return this.#look.workers;
  }

  /** Files that this run has finished. */
  get own(): Own {
    return this.#own;
  }

  get pending(): number {
    return Math.max(0, this.#look.pending - this.#unseenDone - this.#unseenFailed);
  }

  /** Succeeded since the run began, whoever did it. */
  get done(): number {
    const { processed, failed } = this.#look;
    return Math.max(0, processed - failed - this.#doneEarlier) + this.#unseenDone;
  }

  /** Failed since the run began, whoever did it. */
  get failed(): number {
    return Math.max(0, this.#look.failed - this.#failedEarlier) + this.#unseenFailed;
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

  get #unseenDone(): number {
    return this.#own.done - this.#seen.done;
  }

  get #unseenFailed(): number {
    return this.#own.failed - this.#seen.failed;
  }
}
