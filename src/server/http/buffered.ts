/**
 * Bounds what unfinished requests hold in memory together: bodies that are being received or handled, messages
 * of workers, and replies that their clients have not read. Knows how much each holds and since when, not what
 * it is.
 */

/** Who has brought fewer bytes than `progressBytes` in this time makes room for others. */
const stalledMs = 1000;
const progressBytes = 64 * 1024;
const checkMs = 250;

/** What one request, reply or connection holds. */
export interface Held {
  /** Counts bytes. Returns whether more may be read at once; if not, call `whenRoom`. */
  add(bytes: number): boolean;
  /** Calls `resume` when more may be read. */
  whenRoom(resume: () => void): void;
  /** Everything has arrived: what is held is no longer cut for being slow. */
  complete(): void;
  release(): void;
}

interface Holder extends Held {
  bytes: number;
  /** Bytes since the last time when it had made progress. */
  fresh: number;
  /** When it last made progress, by performance.now(). */
  since: number;
  isComplete: boolean;
  /** Set while it waits for room. */
  resume: (() => void) | undefined;
  cut: () => void;
}

export class Buffered {
  readonly #limit: number;
  /** Who made progress longest ago comes first. */
  readonly #holders = new Set<Holder>();
  readonly #waiting = new Set<Holder>();
  /** The one that goes on over the limit, so that not all wait for each other. */
  #exceeding: Holder | undefined;
  #bytes = 0;
  #cuts = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What is held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many were cut so far. */
  get cuts(): number {
    return this.#cuts;
  }

  /** `cut` ends what is held. It is called if others need the room and no progress is made. */
  hold(cut: () => void): Held {
    const holder: Holder = {
      bytes: 0,
      fresh: 0,
      since: performance.now(),
      isComplete: false,
      resume: undefined,
      cut,
      add: (bytes) => this.#add(holder, bytes),
      whenRoom: (resume) => this.#wait(holder, resume),
      complete: () => {
        holder.isComplete = true;
      },
      release: () => this.#release(holder),
    };
    this.#holders.add(holder);
    return holder;
  }

  #add(holder: Holder, bytes: number): boolean {
    if (!this.#holders.has(holder)) return true;
    holder.bytes += bytes;
    holder.fresh += bytes;
    this.#bytes += bytes;
    if (holder.fresh >= progressBytes) this.#progressed(holder);
    if (this.#bytes <= this.#limit) return true;
    this.#check();
    return this.#bytes <= this.#limit || this.#exceeding === holder;
  }

  #progressed(holder: Holder): void {
    holder.fresh = 0;
    holder.since = performance.now();
    this.#holders.delete(holder);
    this.#holders.add(holder);
  }

  #wait(holder: Holder, resume: () => void): void {
    holder.resume = resume;
    this.#waiting.add(holder);
    this.#timer ??= setInterval(() => this.#check(), checkMs).unref();
  }

  #release(holder: Holder): void {
    if (!this.#holders.delete(holder)) return;
    this.#waiting.delete(holder);
    if (this.#exceeding === holder) this.#exceeding = undefined;
    this.#bytes -= holder.bytes;
    this.#wake();
  }

  /** Cuts who stalled longest until there is room. If nobody stalled, the first that waits goes on. */
  #check(): void {
    const before = performance.now() - stalledMs;
    for (const holder of this.#holders) {
      if (this.#bytes <= this.#limit || holder.since > before) break;
      if (holder.isComplete || this.#waiting.has(holder)) continue;
      this.#cuts++;
      holder.cut();
      this.#release(holder);
    }
    this.#wake();
    const [first] = this.#waiting;
    if (first === undefined || this.#exceeding !== undefined) return;
    const others = [...this.#holders].some((holder) => holder.isComplete && holder.bytes > 0);
    // What is complete is being handled, and makes room soon.
    if (others) return;
    this.#exceeding = first;
    this.#resume(first);
  }

  #wake(): void {
    for (const holder of this.#waiting) {
      if (this.#bytes > this.#limit) break;
      this.#resume(holder);
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #resume(holder: Holder): void {
    this.#waiting.delete(holder);
    this.#progressed(holder);
    holder.resume?.();
    holder.resume = undefined;
  }
}
