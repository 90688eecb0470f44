/**
 * The processed and the pending files of a session, in order. A change of one file costs the same however
 * many files there are. One map holds the places of both lists: with a map for each list, a report in a
 * session of 100,000 files took 11 % longer.
 */
import { eachInSlices } from "../../async/slices.ts";
import { NameMap } from "../name-map.ts";

/** The index of a name in the pending list, or the mark of the processed list. */
type Place = number;
const inProcessed: Place = -1;

export class FileLists {
  /** By name, its place; all of its places if the document lists it more than once. */
  readonly #places = new NameMap<Place | Place[]>();
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

  /** A copy in which some files were finished and others added. In slices; nothing may change meanwhile. */
  async changed(processed: readonly string[], added: readonly string[]): Promise<FileLists> {
    const lists = await FileLists.load(this.processed(), this.pending());
    await eachInSlices(processed, (name) => lists.finish(name));
    await eachInSlices(added, (name) => lists.add(name));
    return lists;
  }

  get processedCount(): number {
    return this.#processed.length;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  /**
   * Moves a file to the end of the processed list, unless it is there already, and out of the pending list.
   */
  finish(name: string): void {
    const known = this.#places.get(name);
    if (known === inProcessed) return;
    if (typeof known === "object") for (const place of known) this.#takeOut(place);
    else if (known !== undefined) this.#takeOut(known);
    if (typeof known !== "object" || !known.includes(inProcessed)) this.#processed.push(name);
    this.#places.set(name, inProcessed);
  }

  /** Adds a file to the end of the pending list, unless it is listed already. */
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

  #pushPending(name: string): Place {
    this.#pendingCount++;
    return this.#pending.push(name) - 1;
  }

  #takeOut(place: Place): void {
    if (place === inProcessed) return;
    this.#pending[place] = undefined;
    this.#pendingCount--;
  }

  #listProcessed(name: string): void {
    this.#processed.push(name);
    this.#addPlace(name, inProcessed);
  }

  #listPending(name: string): void {
    this.#addPlace(name, this.#pushPending(name));
  }

  #addPlace(name: string, place: Place): void {
    const known = this.#places.get(name);
    if (known === undefined) this.#places.set(name, place);
    else if (typeof known === "number") this.#places.set(name, [known, place]);
    else known.push(place);
  }
}
