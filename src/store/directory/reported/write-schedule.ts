/**
 * Decides when the file of a reported session is written. A small document is written within `max_lag`. A
 * larger one may lag longer, in proportion to its size, but is written sooner if the reports outweigh the
 * document: so the bytes written stay in proportion to the bytes reported. Does not write: it asks for the
 * write.
 */
const smallDocumentBytes = 16 * 1024;
/** A file is due at once if its reports weigh this many times the document, and no less than the least. */
const heavyReports = 4;
const leastHeavyBytes = 1024 * 1024;
const longestTimerMs = 2 ** 31 - 1;
/** More files at a time would hold up everything else, and take too many descriptors. */
const writers = 8;

/** A session whose file may lag behind what was reported. */
export interface Lagging {
  readonly isLagging: boolean;
  readonly unwrittenBytes: number;
  readonly documentBytes: number;
  /** When the file is written; undefined if no write is scheduled. Only the schedule changes it. */
  due: { timer: NodeJS.Timeout | undefined; isWriting: boolean } | undefined;
}

export class WriteSchedule<Session extends Lagging> {
  readonly #maxLagMs: number;
  /** Sessions whose file is due, in the order in which it became due. */
  readonly #queue: Session[] = [];
  #write: ((session: Session) => Promise<void>) | undefined;
  #writers = 0;

  constructor(maxLagMs: number) {
    this.#maxLagMs = maxLagMs;
  }

  /**
   * Starts the schedule; nothing is scheduled before. `write` never rejects. What the file does not hold
   * after a write is scheduled again.
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

  /** The file needs no write any more. */
  cancel(session: Session): void {
    clearTimeout(session.due?.timer);
    if (session.due?.isWriting === false) session.due = undefined;
  }

  /** Starts no more writes. Callers cancel what is scheduled. */
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
