import { nextSlice } from "../slices.ts";

const namesPerSlice = 1000;

/** A list of file names in order, in which finding and taking out one costs the same however long it is. */
export class FileList {
  /** A name that was taken out leaves a hole, until the list is built anew. */
  readonly #items: (string | undefined)[] = [];
  /** Where each name is; several places for one that was listed more than once. */
  readonly #places = new Map<string, number | number[]>();
  #size = 0;

  constructor(names: readonly string[] = []) {
    for (const name of names) this.#push(name);
  }

  /** As the constructor, in slices. */
  static async load(names: readonly string[]): Promise<FileList> {
    const list = new FileList();
    for (const [at, name] of names.entries()) {
      if (at % namesPerSlice === 0) await nextSlice();
      list.#push(name);
    }
    return list;
  }

  get size(): number {
    return this.#size;
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** Once: a name that is listed already is not listed again. */
  add(name: string): void {
    if (!this.#places.has(name)) this.#append(name, undefined);
  }

  #push(name: string): void {
    this.#append(name, this.#places.get(name));
  }

  #append(name: string, known: number | number[] | undefined): void {
    const place = this.#items.length;
    this.#items.push(name);
    this.#size++;
    if (known === undefined) this.#places.set(name, place);
    else if (typeof known === "number") this.#places.set(name, [known, place]);
    else known.push(place);
  }

  /** Takes a name out, however often it was listed. */
  delete(name: string): void {
    const known = this.#places.get(name);
    if (known === undefined) return;
    this.#places.delete(name);
    for (const place of typeof known === "number" ? [known] : known) {
      this.#items[place] = undefined;
      this.#size--;
    }
  }

  toArray(): string[] {
    return this.#size === this.#items.length
      ? (this.#items.slice() as string[])
      : this.#items.filter((item) => item !== undefined);
  }
}
