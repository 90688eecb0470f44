/**
 * Limits the time for messages in each turn of the event loop, so that workers with many reports in flight do
 * not hold up other clients. Messages beyond that are handled in later turns, in order.
 */
const turnMs = 2;

export class Intake {
  readonly #waiting: (() => void)[] = [];
  /** When the first message of this turn was handled; undefined before it. */
  #begun: number | undefined;

  /** Runs the task at once, or in a later turn. */
  take(task: () => void): void {
    if (this.#waiting.length > 0 || this.#isOver()) this.#waiting.push(task);
    else task();
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
    let done = 0;
    while (done < this.#waiting.length && !this.#isOver()) this.#waiting[done++]?.();
    this.#waiting.splice(0, done);
  }
}
