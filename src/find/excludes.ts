/** Decides which paths are excluded. What is excluded is not entered either. Pure. */
import { basename, dirname, relative, resolve } from "node:path";
import { type Branch, parsePattern } from "./pattern.ts";
import { anyDepth, isAnyName } from "./segment.ts";
import { beginning, isCompleted, isMatched, type Positions, type Sequence, step } from "./sequence.ts";

interface Exclude extends Sequence {
  /** Begins with `**`, and so matches from the beginning of a name, even above the directory. */
  readonly isFloating: boolean;
  readonly isDirectory: boolean;
  /** Ends in `**`. All that is in such a directory is excluded, so there is no need to look into it. */
  readonly endsInAll: boolean;
}

/** How far each pattern has matched the path of a directory or file. */
export type ExcludeState = readonly Positions[];

export class Excludes {
  readonly #excludes: readonly Exclude[];
  readonly #cwd: string;
  #last: { directory: string; state: ExcludeState | undefined } | undefined;

  /**
   * Patterns are relative to `cwd`; those that begin with `**` match at any depth.
   *
   * @throws PatternError
   */
  constructor(patterns: readonly string[], cwd: string) {
    this.#cwd = cwd;
    this.#excludes = patterns.flatMap((pattern) => {
      const branches = parsePattern(pattern, { dot: true }).map((branch) => excludeOf(branch, cwd));
      if (pattern.endsWith("/")) return branches;
      // A file may be called just like the pattern.
      return [...branches, excludeOf({ base: pattern, segments: [], isDirectory: false }, cwd)];
    });
  }

  get isEmpty(): boolean {
    return this.#excludes.length === 0;
  }

  /** The state of a directory; undefined if it is excluded. */
  enter(directory: string): ExcludeState | undefined {
    if (this.#last?.directory === directory) return this.#last.state;
    const state = this.#enter(directory);
    this.#last = { directory, state };
    return state;
  }

  /** The state of a name in a directory with that state. */
  step(state: ExcludeState, name: string): ExcludeState {
    return state.length === 0 ? state : state.map((at, index) => step(this.#at(index), at, name));
  }

  /** Whether the directory with that state is excluded. */
  isExcluded(state: ExcludeState): boolean {
    return state.some((positions, index) => {
      const exclude = this.#at(index);
      if (isMatched(exclude, positions)) return true;
      return exclude.endsInAll && positions.includes(exclude.segments.length - 2);
    });
  }

  /** Whether the file of that name in a directory with that state is excluded. */
  isFileExcluded(state: ExcludeState, name: string): boolean {
    return state.some((positions, index) => {
      const exclude = this.#at(index);
      return !exclude.isDirectory && isCompleted(exclude, positions, name);
    });
  }

  /** Whether the file of that name is excluded. */
  excludesFile(name: string): boolean {
    if (this.isEmpty) return false;
    const path = resolve(this.#cwd, name);
    const state = this.enter(dirname(path));
    return state === undefined || this.isFileExcluded(state, basename(path));
  }

  #enter(directory: string): ExcludeState | undefined {
    const path = resolve(this.#cwd, directory);
    const all = namesOf(path);
    const below = namesOf(relative(this.#cwd, path)).filter((name) => name !== "..");
    let state = this.#excludes.map((exclude) => beginning(exclude));
    for (let depth = 0; depth < all.length; depth++) {
      state = state.map((at, index) => {
        const exclude = this.#at(index);
        // Both lists end with the directory itself.
        const isBefore = exclude.isFloating && depth < all.length - below.length;
        return isBefore ? at : step(exclude, at, all[depth] as string);
      });
      if (this.isExcluded(state)) return undefined;
    }
    return state;
  }

  #at(index: number): Exclude {
    return this.#excludes[index] as Exclude;
  }
}

function excludeOf({ base, segments, isDirectory }: Branch, cwd: string): Exclude {
  const isFloating = base === "" && segments[0] === anyDepth;
  const last = segments.at(-1);
  const beforeLast = segments.at(-2);
  const endsInAll = beforeLast === anyDepth && isAnyName(last);
  const fixed = isFloating ? [] : namesOf(resolve(cwd, base));
  return { segments: [...fixed, ...segments], dot: true, isFloating, isDirectory, endsInAll };
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}
