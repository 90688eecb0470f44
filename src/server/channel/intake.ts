/**
 * Takes in messages for so long in one turn of the event loop, and what came beyond that in the turns after it, in order: many
 * workers with many reports in flight do not hold up everybody else.
 */
const turnMs = 2;

export class Intake {
  readonly #waiting: (() => void)[] = [];
  /** When this turn began to take in, if it did. */
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
