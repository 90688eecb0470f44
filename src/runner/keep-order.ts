/** Gives things out in their order, whenever they come in. */
export class KeepOrder<T> {
  #next = 0;
  #size = 0;
  readonly #early = new Map<number, { item: T | undefined; size: number }>();

  /** What is held back, in the measure of the sizes. */
  get size(): number {
    return this.#size;
  }

  /** Takes the thing at a place, or nothing if there is none, and returns all that can be given out now. */
  put(place: number, item: T | undefined, size: number): T[] {
    this.#early.set(place, { item, size });
    this.#size += size;
    const ready: T[] = [];
    for (let entry = this.#early.get(this.#next); entry !== undefined; entry = this.#early.get(this.#next)) {
      this.#early.delete(this.#next++);
      this.#size -= entry.size;
      if (entry.item !== undefined) ready.push(entry.item);
    }
    return ready;
  }
}
