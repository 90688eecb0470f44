/** The newest events, numbered from 1, with a limit of count and size. Pure. */

export interface Recorded {
  kind: string;
  /** Empty for an event that is for every reader. */
  sessionId: string;
  /** The event as it is sent. */
  text: string;
}

export interface RingLimits {
  events: number;
  /** The limit of the text. The newest event is kept whatever its size. */
  bytes: number;
}

export class EventRing {
  readonly #limits: RingLimits;
  readonly #events = new Map<number, Recorded>();
  #newest = 0;
  #bytes = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  /** The number of the last event that was added; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The number of the oldest event that is kept; `newest` + 1 if there is none. */
  get oldest(): number {
    return this.#newest - this.#events.size + 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all events after this number are still kept. */
  reaches(number: number): boolean {
    return number <= this.#newest && number + 1 >= this.oldest;
  }

  get(number: number): Recorded | undefined {
    return this.#events.get(number);
  }

  /** Adds an event. `make` is given its number. */
  add(make: (number: number) => Recorded): void {
    const number = this.#newest + 1;
    const event = make(number);
    this.#newest = number;
    this.#events.set(number, event);
    this.#bytes += event.text.length;
    while (this.#events.size > this.#limits.events || this.#isOver()) this.#dropOldest();
  }

  #isOver(): boolean {
    return this.#bytes > this.#limits.bytes && this.#events.size > 1;
  }

  #dropOldest(): void {
    const { oldest } = this;
    this.#bytes -= this.#events.get(oldest)?.text.length ?? 0;
    this.#events.delete(oldest);
  }
}
