/** Walks through a tree of directories, and takes the files that match. */
import { type Stats, statSync } from "node:fs";
import { yieldIfDue } from "../async/slices.ts";
import { type Entry, entriesOf, type Path, pathOf, shownName, specialName } from "./directory.ts";
import type { ExcludeState, Excludes } from "./excludes.ts";
import { within } from "./pattern.ts";
import { beginning, goesOn, isCompleted, type Positions, type Sequence, step } from "./sequence.ts";
import { type Skipped, skippedBy } from "./skipped.ts";

export interface Tree {
  /** The directory in which the walk begins: as a path, and as the names of its files begin. */
  readonly path: string;
  readonly name: string;
  /** What the names below must match; one of them is enough. */
  readonly sequences: readonly Sequence[];
  readonly excludes: Excludes;
  /** Whether to enter directories behind links. */
  readonly follow: boolean;
}

/** What a search found so far. */
export interface Finds {
  /** In no order, and perhaps more than once. */
  readonly files: string[];
  /** Those of the files that are links. */
  readonly links: Set<string>;
  readonly skipped: Skipped[];
}

interface Directory {
  readonly path: Path;
  readonly name: string;
  /** How the names of its files begin. */
  readonly prefix: string;
  readonly isUtf8: boolean;
  readonly positions: readonly Positions[];
  readonly excludes: ExcludeState;
  /** Where it is on the disk, and the directories above; only if links are followed. */
  readonly place: Place | undefined;
}

interface Place {
  readonly dev: number;
  readonly ino: number;
  readonly above: Place | undefined;
}

/** Adds to `finds`. Resolves when all of the tree that can match has been looked at. */
export async function walk(tree: Tree, finds: Finds): Promise<void> {
  const { path, name, sequences, excludes, follow } = tree;
  const state = excludes.enter(name === "" ? "." : name);
  if (state === undefined) return;
  const positions = sequences.map(beginning);
  const place = follow ? placeOf(statSync(path), undefined) : undefined;
  const walker = new Walker(tree, finds);
  const prefix = within(name, "");
  walker.waiting.push({ path, name, prefix, isUtf8: true, positions, excludes: state, place });
  for (let next = walker.waiting.pop(); next !== undefined; next = walker.waiting.pop()) {
    walker.lookInto(next);
    await yieldIfDue();
  }
}

class Walker {
  readonly waiting: Directory[] = [];
  readonly #tree: Tree;
  readonly #finds: Finds;

  constructor(tree: Tree, finds: Finds) {
    this.#tree = tree;
    this.#finds = finds;
  }

  lookInto(directory: Directory): void {
    let entries: Entry[];
    try {
      entries = entriesOf(directory.path);
    } catch (error) {
      this.#finds.skipped.push(skippedBy(error, directory.name || "."));
      return;
    }
    for (const entry of entries) this.#look(directory, entry);
  }

  #look(directory: Directory, entry: Entry): void {
    if (entry.isDirectory()) {
      const below = this.#below(directory, entry);
      if (below !== undefined) this.#enter(below, undefined);
    } else if (entry.isSymbolicLink()) this.#followLink(directory, entry);
    else if (this.#isWanted(directory, entry)) this.#take(directory, entry, entry);
  }

  /** The directory, if it may hold what is searched for. */
  #below(directory: Directory, entry: Entry): Directory | undefined {
    const { sequences, excludes } = this.#tree;
    const positions = sequences.map((sequence, index) =>
      step(sequence, directory.positions[index] as Positions, entry.name),
    );
    if (!sequences.some((sequence, index) => goesOn(sequence, positions[index] as Positions)))
      return undefined;
    const state = excludes.step(directory.excludes, entry.name);
    if (excludes.isExcluded(state)) return undefined;
    const name = directory.prefix + shownName(entry);
    return {
      path: pathOf(directory.path, entry),
      name,
      prefix: `${name}/`,
      isUtf8: directory.isUtf8 && entry.bytes === undefined,
      positions,
      excludes: state,
      place: directory.place,
    };
  }

  /** Whether a file of that name matches. */
  #isWanted(directory: Directory, { name }: Entry): boolean {
    const { sequences, excludes } = this.#tree;
    const isMatch = sequences.some((sequence, index) =>
      isCompleted(sequence, directory.positions[index] as Positions, name),
    );
    return isMatch && !excludes.isFileExcluded(directory.excludes, name);
  }

  #take(directory: Directory, entry: Entry, type: Pick<Stats, "isFile" | "isSocket" | "isFIFO">): void {
    const name = directory.prefix + shownName(entry);
    if (!type.isFile()) this.#skip(name, "special", specialName(type));
    else if (!directory.isUtf8 || entry.bytes !== undefined) this.#skip(name, "name", "");
    else {
      this.#finds.files.push(name);
      if (entry.isSymbolicLink()) this.#finds.links.add(name);
    }
  }

  #followLink(directory: Directory, entry: Entry): void {
    const isWanted = this.#isWanted(directory, entry);
    const below = this.#below(directory, entry);
    if (!isWanted && below === undefined) return;
    let stats: Stats;
    try {
      stats = statSync(pathOf(directory.path, entry));
    } catch (error) {
      // A link that leads nowhere could have been one to a directory.
      if (!isWanted && !this.#tree.follow) return;
      const skipped = skippedBy(error, directory.prefix + shownName(entry));
      this.#finds.skipped.push(skipped.why === "vanished" ? { ...skipped, why: "dead-link" } : skipped);
      return;
    }
    if (!stats.isDirectory()) {
      if (isWanted) this.#take(directory, entry, stats);
    } else if (below !== undefined) {
      if (this.#tree.follow) this.#enter(below, stats);
      else this.#skip(below.name, "linked-directory", "");
    }
  }

  #enter(directory: Directory, known: Stats | undefined): void {
    if (!this.#tree.follow) {
      this.waiting.push(directory);
      return;
    }
    try {
      const stats = known ?? statSync(directory.path);
      for (let place = directory.place; place !== undefined; place = place.above) {
        if (place.dev !== stats.dev || place.ino !== stats.ino) continue;
        this.#skip(directory.name, "loop", "it leads back to a directory above it");
        return;
      }
      this.waiting.push({ ...directory, place: placeOf(stats, directory.place) });
    } catch (error) {
      this.#finds.skipped.push(skippedBy(error, directory.name));
    }
  }

  #skip(name: string, why: Skipped["why"], detail: string): void {
    this.#finds.skipped.push({ name, why, detail });
  }
}

function placeOf({ dev, ino }: Stats, above: Place | undefined): Place {
  return { dev, ino, above };
}
