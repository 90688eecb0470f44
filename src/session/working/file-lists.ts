import { eachInSlices } from "../../async/slices.ts";

/** Where a name is listed: twice its place, and one more if that is among the processed; several of these if it is listed more than once. */
type Place = number | number[];

/** The processed and the pending files of a session, in order. What a change of one file costs does not depend on how many there are. */
export class FileLists {
  readonly #places = new Map<string, Place>();
  readonly #processed: string[] = [];
  /** A name that was taken out leaves a hole, until the lists are built anew. */
  readonly #pending: (string | undefined)[] = [];
  #pendingCount = 0;

  constructor(processed: readonly string[] = [], pending: readonly string[] = []) {
    for (const name of processed) this.#listProcessed(name);
    for (const name of pending) this.#listPending(name);
  }

  /** As the constructor, in slices. */
  static async load(processed: readonly string[], pending: readonly string[]): Promise<FileLists> {
    const lists = new FileLists();
    await eachInSlices(processed, (name) => lists.#listProcessed(name));
    await eachInSlices(pending, (name) => lists.#listPending(name));
    return lists;
  }

  get processedCount(): number {
    return this.#processed.length;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Moves a file to the end of the processed, unless it is one of them: it is pending no more, however often it was listed. */
  finish(name: string): void {
    const known = this.#places.get(name);
    if (typeof known === "object") this.#finishListedOften(name, known);
    else if (known === undefined || !isProcessed(known)) {
      if (known !== undefined) this.#takeOut(known);
      this.#places.set(name, this.#pushProcessed(name));
    }
  }

  /** Adds a file to the end of the pending, unless it is listed already. */
  add(name: string): void {
    if (!this.#places.has(name)) this.#places.set(name, this.#pushPending(name));
  }

  processed(): string[] {
    return this.#processed.slice();
  }

  pending(): string[] {
    return this.#pendingCount === this.#pending.length
      ? (this.#pending.slice() as string[])
      : this.#pending.filter((name) => name !== undefined);
  }

  #finishListedOften(name: string, places: readonly number[]): void {
    for (const place of places) if (!isProcessed(place)) this.#takeOut(place);
    const left = places.filter(isProcessed);
    this.#places.set(name, left.length > 0 ? left : this.#pushProcessed(name));
  }

  /** Returns its place, as `#pushPending` does. */
  #pushProcessed(name: string): number {
    return 2 * (this.#processed.push(name) - 1) + 1;
  }

  #pushPending(name: string): number {
    this.#pendingCount++;
    return 2 * (this.#pending.push(name) - 1);
  }

  #takeOut(place: number): void {
    this.#pending[place / 2] = undefined;
    this.#pendingCount--;
  }

  /** As a document lists it: perhaps not for the first time. */
  #listProcessed(name: string): void {
    this.#list(name, this.#pushProcessed(name));
  }

  #listPending(name: string): void {
    this.#list(name, this.#pushPending(name));
  }

  #list(name: string, place: number): void {
    const known = this.#places.get(name);
    if (known === undefined) this.#places.set(name, place);
    else if (typeof known === "number") this.#places.set(name, [known, place]);
    else known.push(place);
  }
}

function isProcessed(place: number): boolean {
  return place % 2 === 1;
}
