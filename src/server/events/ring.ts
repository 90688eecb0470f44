/** The events that can still be sent, numbered from 1 and bounded in count and bytes. Pure: it reads no clock. */

export interface Recorded {
  kind: string;
  sessionId: string;
  /** As it goes out. */
  text: string;
}

export interface RingLimits {
  events: number;
  /** Of text. The newest event is kept whatever its size. */
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

  /** The number of the last event that was added, whether or not it is kept; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The number of the first event that is kept; one more than `newest` if none is. */
  get oldest(): number {
    return this.#newest - this.#events.size + 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether whoever knows the events up to this one can be told all that came after. */
  reaches(number: number): boolean {
    return number <= this.#newest && number + 1 >= this.oldest;
  }

  get(number: number): Recorded | undefined {
    return this.#events.get(number);
  }

  /** `make` is given the number of the new event. */
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
