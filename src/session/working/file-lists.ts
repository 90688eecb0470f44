/**
 * The processed and the pending files of a session, in order. A change of one file costs the same however
 * many files there are. One map holds the places of both lists: with a map for each list, a report in a
 * session of 100,000 files took 11 % longer.
 */
import { eachInSlices } from "../../async/slices.ts";
import { NameMap } from "../name-map.ts";
import { FreePlaces } from "./free-places.ts";

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
  /** Places of the pending list that were not handed out; made when somebody asks for the first time. */
  #free: FreePlaces | undefined;

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

  isProcessed(name: string): boolean {
    const known = this.#places.get(name);
    return known === inProcessed || (typeof known === "object" && known.includes(inProcessed));
  }

  isPending(name: string): boolean {
    return this.pendingPlaces(name) > 0;
  }

  /** How often a file is in the pending list. */
  pendingPlaces(name: string): number {
    const known = this.#places.get(name);
    if (typeof known !== "object") return known === undefined || known === inProcessed ? 0 : 1;
    return known.filter((place) => place !== inProcessed).length;
  }

  /**
   * Offers pending files to `take`, in the order of the list, until `count` were taken. A file that was
   * offered is not offered again, whether it was taken or not, until it is given back.
   */
  handOut(count: number, take: (name: string) => boolean): void {
    this.#free ??= new FreePlaces();
    for (let left = count; left > 0; ) {
      const place = this.#free.takeLowest(this.#pending.length);
      if (place === undefined) return;
      const name = this.#pending[place];
      if (name !== undefined && take(name)) left--;
    }
  }

  /** A pending file may be handed out again, in its place. */
  giveBack(name: string): void {
    const place = this.#firstPending(name);
    if (place !== undefined) this.#free?.giveBack(place);
  }

  /** Pending files in the order of the list. A name that is not pending is left out. */
  inOrder(names: Iterable<string>): string[] {
    const placed: { name: string; place: number }[] = [];
    for (const name of names) {
      const place = this.#firstPending(name);
      if (place !== undefined) placed.push({ name, place });
    }
    return placed.sort((a, b) => a.place - b.place).map(({ name }) => name);
  }

  processed(): string[] {
    return this.#processed.slice();
  }

  pending(): string[] {
    return this.#pendingCount === this.#pending.length
      ? (this.#pending.slice() as string[])
      : this.#pending.filter((name) => name !== undefined);
  }

  #firstPending(name: string): Place | undefined {
    const known = this.#places.get(name);
    const place = typeof known === "object" ? known.find((one) => one !== inProcessed) : known;
    return place === inProcessed ? undefined : place;
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
