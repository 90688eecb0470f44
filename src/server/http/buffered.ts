/**
 * Bounds what unfinished requests hold in memory together: bodies that are being received or handled,
 * messages of workers, and replies that their clients have not read. Knows how much each holds and since
 * when, not what it is.
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
  /** A reply is on its way. From now on what is held is cut if its client is slow. */
  sending(): void;
  release(): void;
}

interface Holder extends Held {
  bytes: number;
  /** Bytes since the last time when it had made progress. */
  fresh: number;
  /** When it last made progress, by performance.now(). */
  since: number;
  /** Whether it does not depend on a client at the moment. */
  isHandled: boolean;
  /** Set while it waits for room. */
  resume: (() => void) | undefined;
  cut: () => void;
}

export class Buffered {
  readonly #limit: number;
  /** Who made progress longest ago comes first. */
  readonly #holders = new Set<Holder>();
  readonly #waiting = new Set<Holder>();
  readonly #reservations: { bytes: number; admit: () => void }[] = [];
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
      isHandled: false,
      resume: undefined,
      cut,
      add: (bytes) => this.#add(holder, bytes),
      whenRoom: (resume) => this.#wait(holder, resume),
      sending: () => {
        holder.isHandled = false;
        this.#progressed(holder);
      },
      release: () => this.#release(holder),
    };
    this.#holders.add(holder);
    return holder;
  }

  /**
   * Resolves when there is room for so many bytes, which are held from then on. Nothing is cut until the
   * reply is on its way. A request that `mayWait` must not keep others from making room.
   */
  async reserve(bytes: number, cut: () => void, { mayWait }: { mayWait: boolean }): Promise<Held> {
    if (mayWait && (this.#reservations.length > 0 || !this.#hasRoom(bytes))) {
      await new Promise<void>((admit) => {
        this.#reservations.push({ bytes, admit });
        this.#watch();
      });
    } else this.#bytes += bytes;
    const held = this.hold(cut) as Holder;
    held.isHandled = true;
    held.bytes = bytes;
    return held;
  }

  /** What is larger than half of the limit is let in when half of it is free. */
  #hasRoom(bytes: number): boolean {
    return this.#bytes + Math.min(bytes, this.#limit / 2) <= this.#limit;
  }

  /** Whether others wait for room. */
  get #isScarce(): boolean {
    const [first] = this.#reservations;
    return this.#bytes > this.#limit || (first !== undefined && !this.#hasRoom(first.bytes));
  }

  #watch(): void {
    this.#timer ??= setInterval(() => this.#check(), checkMs).unref();
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
    this.#watch();
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
      if (!this.#isScarce || holder.since > before) break;
      if (holder.isHandled || this.#waiting.has(holder)) continue;
      this.#cuts++;
      holder.cut();
      this.#release(holder);
    }
    this.#wake();
    const [first] = this.#waiting;
    if (first === undefined || this.#exceeding !== undefined) return;
    this.#exceeding = first;
    this.#resume(first);
  }

  #wake(): void {
    for (const holder of this.#waiting) {
      if (this.#bytes > this.#limit) break;
      this.#resume(holder);
    }
    for (let first = this.#reservations[0]; first !== undefined; first = this.#reservations[0]) {
      if (!this.#hasRoom(first.bytes)) break;
      this.#reservations.shift();
      this.#bytes += first.bytes;
      first.admit();
    }
    if (this.#waiting.size > 0 || this.#reservations.length > 0) return;
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
