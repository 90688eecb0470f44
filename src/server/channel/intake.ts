/**
 * Limits the time for messages in each turn of the event loop, so that workers with many reports in flight do
 * not hold up other clients. Messages beyond that are handled in later turns.
 */
const turnMs = 2;

/** A connection with messages. */
export interface MessageSource {
  /** Takes one message. Returns false if there is none, or none that may be taken now. */
  takeNext(): boolean;
}

export class Intake {
  readonly #waiting: MessageSource[] = [];
  /** When the first message of this turn was handled; undefined before it. */
  #begun: number | undefined;

  /** Takes all messages of the source, at once or in later turns. */
  take(source: MessageSource): void {
    if (this.#waiting.length > 0) {
      if (!this.#waiting.includes(source)) this.#waiting.push(source);
      return;
    }
    while (!this.#isOver()) if (!source.takeNext()) return;
    this.#waiting.push(source);
  }

  #isOver(): boolean {
    if (this.#begun === undefined) {
      this.#begun = performance.now();
      setImmediate(() => this.#nextTurn());
      return false;
    }
    return performance.now() - this.#begun > turnMs;
  }

  #nextTurn(): void {
    this.#begun = undefined;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#isOver()) return;
      if (!first.takeNext()) this.#waiting.shift();
    }
  }
}
