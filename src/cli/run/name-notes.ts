/** Says what is odd about names that are given for a run: names of no file, and several names for one file. */
import { lstatSync, type Stats, statSync } from "node:fs";
import { eachInSlices } from "../../async/slices.ts";
import type { Excludes } from "../../find/excludes.ts";
import { pathIn } from "../../find/find-files.ts";
import type { Distinct, Spellings } from "../../find/spelling.ts";
import { someNames } from "./skipped-lines.ts";

export interface Names {
  /** Names of no file at all. */
  readonly missing: readonly string[];
  readonly directories: readonly string[];
  /** Links to files. */
  readonly links: readonly string[];
}

/** What the names in a list stand for. They need not be those of files, but may not be so by mistake. */
export async function lookAt(names: readonly string[], cwd: string): Promise<Names> {
  const found = { missing: [] as string[], directories: [] as string[], links: [] as string[] };
  await eachInSlices(names, (name) => {
    const path = pathIn(cwd, name);
    const stats = statsOf(path, lstatSync);
    const target = stats?.isSymbolicLink() ? statsOf(path, statSync) : stats;
    if (target === undefined) found.missing.push(name);
    else if (target.isDirectory()) found.directories.push(name);
    else if (target !== stats) found.links.push(name);
  });
  return found;
}

export function* listNotes({ missing, directories }: Names): Generator<string> {
  yield* note(
    missing,
    "1 listed name is that of no file, and runs",
    "listed names are those of no file, and run",
  );
  yield* note(
    directories,
    "1 listed name is that of a directory, and runs",
    "listed names are those of directories, and run",
  );
}

/** What is excluded now may have joined the session earlier. */
export function* excludedNotes(pending: readonly string[], excludes: Excludes): Generator<string> {
  yield* note(
    pending.filter((name) => excludes.excludesFile(name)),
    "1 excluded file is pending in the session, and runs",
    "excluded files are pending in the session, and run",
  );
}

export function* spellingNotes({ repeated, respelled, twice }: Distinct): Generator<string> {
  yield* note(
    [...repeated],
    "1 file is named more than once, and runs once",
    "files are named more than once, and run once each",
  );
  yield* note(
    Array.from(respelled, ([name, kept]) => `${name} (runs as ${kept})`),
    "1 name is another spelling of a file, which runs once",
    "names are other spellings of files, which run once each",
  );
  yield* note(
    Array.from(twice, ([name, other]) => `${name} (also ${other})`),
    "1 file is in the session under two names, and counts as two",
    "files are in the session under two names, and count as two each",
  );
}

/** A link and its target are two names that a command can tell apart, so both run. */
export function* linkNotes(
  links: Iterable<string>,
  names: readonly string[],
  spellings: Spellings,
): Generator<string> {
  const paths = new Map<string, string>();
  const pairs: string[] = [];
  for (const link of links) {
    if (paths.size === 0) for (const name of names) paths.set(spellings.plain(name), name);
    const target = spellings.target(link);
    if (target === undefined) continue;
    const other = paths.get(target);
    if (other !== undefined && other !== link) pairs.push(`${link} (to ${other})`);
    else paths.set(target, link);
  }
  yield* note(
    pairs,
    "1 link leads to a file that runs too; both run",
    "links lead to files that run too; all of them run",
  );
}

/** One line with the first names, or none. */
function* note(names: readonly string[], one: string, several: string): Generator<string> {
  if (names.length === 1) yield `${one}: ${someNames(names)}`;
  else if (names.length > 1) yield `${names.length} ${several}: ${someNames(names)}`;
}

function statsOf(path: string, look: (path: string) => Stats): Stats | undefined {
  try {
    return look(path);
  } catch {
    return undefined;
  }
}
