/**
 * When the file of a session that is reported on is written. Small documents follow within `max_lag`; larger ones after as many
 * times that as they are larger, and when much more was reported than they hold: so what is written stays in
 * proportion to what is reported.
 */
const smallDocumentBytes = 16 * 1024;
/** Reports that weigh this many times the document are reason to write it, but not below the least. */
const heavyReports = 4;
const leastHeavyBytes = 1024 * 1024;
const longestTimerMs = 2 ** 31 - 1;
/** More files at a time would be in the way of everything else, and take too many descriptors. */
const writers = 8;

export interface Lagging {
  readonly id: string;
  readonly unwrittenBytes: number;
  readonly documentBytes: number;
}

interface Entry {
  timer: NodeJS.Timeout | undefined;
  /** Or about to be written. */
  isWriting: boolean;
}

export class WriteBehind {
  readonly #maxLagMs: number;
  readonly #write: (id: string) => Promise<Lagging | undefined>;
  readonly #entries = new Map<string, Entry>();
  /** Due, in the order in which they became so. */
  readonly #queue: [id: string, entry: Entry][] = [];
  #writers = 0;
  #begun = false;
  #closed = false;

  /** `write` never rejects, and resolves with what the file does not hold then, if anything. */
  constructor(maxLagMs: number, write: (id: string) => Promise<Lagging | undefined>) {
    this.#maxLagMs = maxLagMs;
    this.#write = write;
  }

  /** Writes nothing before this. */
  begin(): void {
    this.#begun = true;
  }

  /** Something was reported. */
  schedule(lagging: Lagging): void {
    let entry = this.#entries.get(lagging.id);
    if (entry?.isWriting || !this.#begun || this.#closed) return;
    const isHeavy = lagging.unwrittenBytes > Math.max(heavyReports * lagging.documentBytes, leastHeavyBytes);
    if (entry !== undefined && !isHeavy) return;
    entry ??= { timer: undefined, isWriting: false };
    this.#entries.set(lagging.id, entry);
    if (isHeavy) this.#due(lagging.id, entry);
    else this.#arm(lagging, entry);
  }

  /** The file holds everything. */
  cancel(id: string): void {
    const entry = this.#entries.get(id);
    clearTimeout(entry?.timer);
    if (entry?.isWriting === false) this.#entries.delete(id);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }

  #arm(lagging: Lagging, entry: Entry): void {
    const lag = this.#maxLagMs * Math.max(1, lagging.documentBytes / smallDocumentBytes);
    const due = () => this.#due(lagging.id, entry);
    entry.timer = setTimeout(due, Math.min(lag, longestTimerMs)).unref();
  }

  #due(id: string, entry: Entry): void {
    clearTimeout(entry.timer);
    entry.isWriting = true;
    this.#queue.push([id, entry]);
    if (this.#writers < writers) void this.#writeQueued();
  }

  async #writeQueued(): Promise<void> {
    this.#writers++;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const [id, entry] = next;
      const left = this.#closed ? undefined : await this.#write(id);
      entry.isWriting = false;
      if (left === undefined || this.#closed) this.#entries.delete(id);
      else this.#arm(left, entry);
    }
    this.#writers--;
  }
}
