/**
 * Which leases hold which pending files of one session, and which files are free. Every backend uses it, and
 * makes durable what it says. It never asks whether a lease exists. In memory, without clocks or files.
 */
import { eachInSlices } from "../async/slices.ts";
import { SessiondError } from "../error.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { FileLists } from "../session/working/file-lists.ts";

/** Where a backend keeps a claim. */
export interface Kept {
  readonly sequence: number;
}

interface Claim {
  /** The id of the lease. */
  readonly lease: number;
  /** How often the file is in the pending list: a document may list a file twice. */
  places: number;
  /** It is being given back: its lease holds the file no more, and nobody else does yet. */
  isLeaving: boolean;
  kept: Kept | undefined;
}

export class ClaimedFiles {
  /** By file. */
  readonly #claims = new Map<string, Claim>();
  /** By lease, its files. */
  readonly #files = new Map<number, Set<string>>();
  /** How many entries of the pending list are claimed. */
  #places = 0;
  readonly #onFree: () => void;

  /** `onFree` is called when a file may be free that was not. */
  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  get isEmpty(): boolean {
    return this.#claims.size === 0;
  }

  /** How many files a lease holds. */
  count(lease: number): number {
    return this.#files.get(lease)?.size ?? 0;
  }

  /** The leases that hold files. */
  leases(): number[] {
    return [...this.#files.keys()];
  }

  /** Whether a lease holds a file. */
  holds(name: string, lease: number): boolean {
    const claim = this.#claims.get(name);
    return claim?.lease === lease && !claim.isLeaving;
  }

  /** Whether any lease holds a file, or is giving it back. */
  has(name: string): boolean {
    return this.#claims.has(name);
  }

  /** How many pending files nobody holds. While the claims of a long report end, they still count. */
  free(files: FileLists): number {
    return Math.max(0, files.pendingCount - this.#places);
  }

  /** Claims the first free files, at most `count`. */
  take(files: FileLists, lease: number, count: number, kept?: Kept): string[] {
    const taken: string[] = [];
    files.handOut(count, (name) => {
      if (this.#claims.has(name)) return false;
      this.#add(name, { lease, places: files.pendingPlaces(name), isLeaving: false, kept });
      taken.push(name);
      return true;
    });
    return taken;
  }

  /** An earlier run has kept that a lease holds a file. Whether the file is pending, `replaced` finds out. */
  restore(name: string, lease: number, kept?: Kept): void {
    this.#add(name, { lease, places: 0, isLeaving: false, kept });
  }

  /** Another daemon has kept that a lease holds these files now, whoever held them before. */
  adopt(files: FileLists, lease: number, names: Iterable<string>): void {
    for (const name of names)
      this.#add(name, { lease, places: files.pendingPlaces(name), isLeaving: false, kept: undefined });
  }

  /** The files of a lease, in the order of the pending list. */
  held(files: FileLists, lease: number): string[] {
    const held = [...(this.#files.get(lease) ?? [])].filter((name) => !this.#claims.get(name)?.isLeaving);
    return files.inOrder(held);
  }

  /**
   * Begins to give files back. Nobody gets them yet.
   *
   * @throws SessiondError `not_claimed`: none was given back
   */
  leave(id: string, lease: number, names: readonly string[]): void {
    for (const name of names) if (!this.holds(name, lease)) throw this.notClaimed(id, lease, name);
    for (const name of names) this.#claimOf(name).isLeaving = true;
  }

  /** Giving files back failed: their lease holds them as before. */
  stay(lease: number, names: readonly string[]): void {
    for (const name of names) {
      const claim = this.#claims.get(name);
      if (claim?.lease === lease) claim.isLeaving = false;
    }
  }

  /** Gives back those of the files that a lease holds. */
  giveBack(files: FileLists | undefined, lease: number, names: Iterable<string>): void {
    let isFree = false;
    for (const name of names) {
      if (this.#claims.get(name)?.lease !== lease) continue;
      this.#end(name);
      files?.giveBack(name);
      isFree = true;
    }
    if (isFree) this.#onFree();
  }

  /** A lease has ended. */
  endLease(files: FileLists | undefined, lease: number): void {
    this.giveBack(files, lease, [...(this.#files.get(lease) ?? [])]);
    this.#files.delete(lease);
  }

  /** A report was applied. */
  reported({ processed, added }: ProgressDelta): void {
    if (processed !== undefined) for (const name of processed) this.#end(name);
    if (added !== undefined && added.length > 0) this.#onFree();
  }

  /**
   * As `reported`, in slices. Whoever asks meanwhile what is free is told too little, and so is told again.
   */
  async reportedInSlices({ processed = [] }: ProgressDelta): Promise<void> {
    await eachInSlices(processed, (name) => this.#end(name));
    this.#onFree();
  }

  /**
   * The lists were replaced: claims of what is not pending any more end. Returns the files of these claims,
   * by lease.
   */
  replaced(files: FileLists): Map<number, string[]> {
    const ended: [name: string, lease: number][] = [];
    this.#places = 0;
    for (const [name, claim] of this.#claims) {
      claim.places = files.pendingPlaces(name);
      this.#places += claim.places;
      if (claim.places === 0) ended.push([name, claim.lease]);
    }
    for (const [name] of ended) this.#end(name);
    this.#onFree();
    return byLease(ended);
  }

  /** @throws SessiondError `not_claimed` if somebody holds one of the files */
  assertFree(id: string, names: readonly string[]): void {
    for (const name of names) {
      if (!this.#claims.has(name)) continue;
      const message = `a worker of "${id}" has claimed "${name}"; wait until the file is processed or released`;
      throw new SessiondError("not_claimed", message);
    }
  }

  /** The files of each lease whose claims are kept before a sequence. */
  keptBefore(sequence: number): Map<number, string[]> {
    const found: [name: string, lease: number][] = [];
    for (const [name, { lease, kept, isLeaving }] of this.#claims)
      if (!isLeaving && kept !== undefined && isBefore(kept, sequence)) found.push([name, lease]);
    return byLease(found);
  }

  /** Whether any claim is kept before a sequence. */
  isAnyKeptBefore(sequence: number): boolean {
    for (const { kept } of this.#claims.values())
      if (kept !== undefined && isBefore(kept, sequence)) return true;
    return false;
  }

  /** A backend keeps these claims in another place now. */
  keep(lease: number, names: readonly string[], kept: Kept): void {
    for (const name of names) {
      const claim = this.#claims.get(name);
      if (claim?.lease === lease) claim.kept = kept;
    }
  }

  /** Every claim: its file and its lease. */
  *[Symbol.iterator](): Iterator<[name: string, lease: number]> {
    for (const [name, { lease }] of this.#claims) yield [name, lease];
  }

  /** The error for a file that a lease does not hold. */
  notClaimed(id: string, lease: number, name: string): SessiondError {
    const holder = this.#claims.get(name)?.lease;
    const isOthers = holder !== undefined && holder !== lease;
    const why = isOthers ? "another worker has claimed it" : "nobody has claimed it";
    const message = `this worker has not claimed "${name}" of "${id}": ${why}; claim a file before you work on it`;
    return new SessiondError("not_claimed", message);
  }

  #add(name: string, claim: Claim): void {
    this.#end(name);
    this.#claims.set(name, claim);
    this.#places += claim.places;
    const names = this.#files.get(claim.lease);
    if (names === undefined) this.#files.set(claim.lease, new Set([name]));
    else names.add(name);
  }

  #end(name: string): void {
    const claim = this.#claims.get(name);
    if (claim === undefined) return;
    this.#claims.delete(name);
    this.#places -= claim.places;
    this.#files.get(claim.lease)?.delete(name);
  }

  #claimOf(name: string): Claim {
    return this.#claims.get(name) as Claim;
  }
}

function byLease(claims: Iterable<[name: string, lease: number]>): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const [name, lease] of claims) {
    const names = found.get(lease);
    if (names === undefined) found.set(lease, [name]);
    else names.push(name);
  }
  return found;
}

/** A claim that is on its way has no sequence yet: it comes after all that are kept. */
function isBefore({ sequence }: Kept, before: number): boolean {
  return sequence > 0 && sequence < before;
}
