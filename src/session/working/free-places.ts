/**
 * Places of a list that may be free, lowest first: all from a first one on, and those that were given back
 * before it. Going through them costs the same per place however long the list is. Does not know what is at a
 * place, so the caller finds out which are free.
 */
export class FreePlaces {
  /** Nobody has looked at the places from here on. */
  #next = 0;
  /** A binary heap of the places before that were given back. */
  readonly #givenBack: number[] = [];

  /** Takes out the lowest place that may be free; undefined if it is not below `end`. */
  takeLowest(end: number): number | undefined {
    if (this.#givenBack.length > 0) return this.#takeGivenBack();
    return this.#next < end ? this.#next++ : undefined;
  }

  giveBack(place: number): void {
    if (place >= this.#next) return;
    const heap = this.#givenBack;
    let at = heap.push(place) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as number;
      if (above <= place) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = place;
  }

  #takeGivenBack(): number {
    const heap = this.#givenBack;
    const lowest = heap[0] as number;
    const last = heap.pop() as number;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      const below = heap[child] as number;
      if (below >= last) break;
      heap[at] = below;
      at = child;
    }
    if (heap.length > 0) heap[at] = last;
    return lowest;
  }
}
