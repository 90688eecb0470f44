/**
 * When the file of a session that is reported on is written. Small documents follow within `max_lag`; a
 * larger one may lag as many times longer as it is larger, and is written sooner when much more was reported
 * than it holds: so what is written stays in proportion to what is reported. Knows when, not how: it asks for
 * the write.
 */
const smallDocumentBytes = 16 * 1024;
/** Reports that weigh this many times the document are reason to write it, but not below the least. */
const heavyReports = 4;
const leastHeavyBytes = 1024 * 1024;
const longestTimerMs = 2 ** 31 - 1;
/** More files at a time would be in the way of everything else, and take too many descriptors. */
const writers = 8;

/** A session whose file may lag behind what was reported. */
export interface Lagging {
  readonly isLagging: boolean;
  readonly unwrittenBytes: number;
  readonly documentBytes: number;
  /** When the file is written; undefined while it is not to be. Only the schedule changes it. */
  due: { timer: NodeJS.Timeout | undefined; isWriting: boolean } | undefined;
}

export class WriteSchedule<Session extends Lagging> {
  readonly #maxLagMs: number;
  /** Those whose time has come, in the order in which it came. */
  readonly #queue: Session[] = [];
  #write: ((session: Session) => Promise<void>) | undefined;
  #writers = 0;

  constructor(maxLagMs: number) {
    this.#maxLagMs = maxLagMs;
  }

  /**
   * Schedules nothing before this. `write` never rejects; what the file does not hold after it is written
   * later.
   */
  begin(write: (session: Session) => Promise<void>): void {
    this.#write = write;
  }

  /** Something was reported. */
  schedule(session: Session): void {
    const { due } = session;
    if (due?.isWriting || this.#write === undefined) return;
    const { unwrittenBytes, documentBytes } = session;
    const isHeavy = unwrittenBytes > Math.max(heavyReports * documentBytes, leastHeavyBytes);
    if (isHeavy) this.#isDue(session);
    else if (due === undefined) this.#arm(session);
  }

  /** The file holds everything, or is not to be written any more. */
  cancel(session: Session): void {
    clearTimeout(session.due?.timer);
    if (session.due?.isWriting === false) session.due = undefined;
  }

  /** Begins no more writes. Callers cancel what is scheduled. */
  close(): void {
    this.#write = undefined;
  }

  #arm(session: Session): void {
    const lag = this.#maxLagMs * Math.max(1, session.documentBytes / smallDocumentBytes);
    const timer = setTimeout(() => this.#isDue(session), Math.min(lag, longestTimerMs)).unref();
    session.due = { timer, isWriting: false };
  }

  #isDue(session: Session): void {
    clearTimeout(session.due?.timer);
    session.due = { timer: undefined, isWriting: true };
    this.#queue.push(session);
    if (this.#writers < writers) void this.#writeQueued();
  }

  async #writeQueued(): Promise<void> {
    this.#writers++;
    for (let session = this.#queue.shift(); session !== undefined; session = this.#queue.shift()) {
      await this.#write?.(session);
      session.due = undefined;
      if (session.isLagging && this.#write !== undefined) this.#arm(session);
    }
    this.#writers--;
  }
}
