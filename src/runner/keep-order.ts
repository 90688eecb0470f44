/** Releases items in the order of their places, whatever the order they come in. */
export class KeepOrder<T> {
  #next = 0;
  #size = 0;
  readonly #early = new Map<number, { item: T | undefined; size: number }>();

  /** Sum of the sizes of the items held back. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes the item of a place (undefined: the place has none), and returns the items that are now in order.
   */
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
