/**
 * Tells other daemons that there is something to look at. A hint says nothing else, and a lost one costs only
 * time. The first is sent at once, further ones are gathered. None is sent within the transaction of a
 * change, because PostgreSQL lets only one transaction with a notification commit at a time.
 */
import type { Queryable } from "../connection/database.ts";

/** The channel of LISTEN and NOTIFY. Each database has channels of its own. */
export const channel = "sessiond";

/** Hints of reports are at least this far apart. */
const reportGapMs = 250;
/** Hints of other changes, which are rare and for which somebody may wait, are at least this far apart. */
const changeGapMs = 25;

export class Hints {
  readonly #database: Queryable;
  #lastMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(database: Queryable) {
    this.#database = database;
  }

  /** There are reports to look at. */
  reported(): void {
    this.#send(reportGapMs);
  }

  /** There is a change of another kind to look at. */
  changed(): void {
    this.#send(changeGapMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #send(gapMs: number): void {
    const dueMs = this.#lastMs + gapMs;
    if (this.#isClosed || dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    const waitMs = dueMs - performance.now();
    this.#dueMs = dueMs;
    if (waitMs <= 0) this.#sendNow();
    else this.#timer = setTimeout(() => this.#sendNow(), waitMs).unref();
  }

  #sendNow(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#lastMs = performance.now();
    // Whoever does not hear of it looks by itself after a while.
    this.#database.query("select pg_notify($1, '')", [channel]).catch(() => {});
  }
}
