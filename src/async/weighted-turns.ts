/** Lets tasks begin in order, as long as the sum of their weights stays below a limit. */
export class WeightedTurns {
  readonly #limit: number;
  readonly #waiting: { weight: number; begin: () => void }[] = [];
  #weight = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the task may begin, with a function to be called once at its end. */
  async begin(weight: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(weight))
      await new Promise<void>((begin) => this.#waiting.push({ weight, begin }));
    else this.#weight += weight;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#weight -= weight;
      this.#next();
    };
  }

  /** A task that is heavier than the limit runs alone. */
  #fits(weight: number): boolean {
    return this.#weight === 0 || this.#weight + weight <= this.#limit;
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.weight)) return;
      this.#waiting.shift();
      this.#weight += first.weight;
      first.begin();
    }
  }
}
