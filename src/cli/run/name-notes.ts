/**
 * Says what is odd about names that are given for a run: names of no file, and several names for one file.
 */
import { lstatSync, statSync } from "node:fs";
import { eachInSlices } from "../../async/slices.ts";
import type { Excludes } from "../../find/excludes.ts";
import { pathIn } from "../../find/find-files.ts";
import { isGone } from "../../find/skipped.ts";
import type { Distinct, Spellings } from "../../find/spelling.ts";
import { someNames } from "./skipped-lines.ts";

/** A remark about some names. */
export interface Note {
  readonly names: readonly string[];
  /** The remark about one of the names, in brief. */
  readonly remark: (name: string) => string;
  /** The sentence about one name, and about several after their number. */
  readonly sentence: readonly [one: string, several: string];
  /** Whether the sentence gives the remark with each name. */
  readonly withRemarks?: boolean;
}

/** The sentence with the first names; undefined if there are none. */
export function noteLine({ names, remark, sentence, withRemarks }: Note): string | undefined {
  if (names.length === 0) return undefined;
  const [one, several] = sentence;
  const some = withRemarks ? names.map((name) => `${name} (${remark(name)})`) : names;
  return `${names.length === 1 ? one : `${names.length} ${several}`}: ${someNames(some)}`;
}

export interface Listed {
  /** Names of no file at all. */
  readonly missing: readonly string[];
  /** Names in places where nobody could look. */
  readonly unseen: readonly string[];
  readonly directories: readonly string[];
  /** Links to files. */
  readonly links: readonly string[];
}

/** What the names in a list stand for. They need not be those of files, but may not be so by mistake. */
export async function lookAt(names: readonly string[], cwd: string): Promise<Listed> {
  const found: Record<keyof Listed, string[]> = { missing: [], unseen: [], directories: [], links: [] };
  await eachInSlices(names, (name) => {
    const path = pathIn(cwd, name);
    try {
      const stats = lstatSync(path);
      const target = stats.isSymbolicLink() ? statSync(path) : stats;
      if (target.isDirectory()) found.directories.push(name);
      else if (target !== stats) found.links.push(name);
    } catch (error) {
      found[isGone(error) ? "missing" : "unseen"].push(name);
    }
  });
  return found;
}

export function listNotes({ missing, unseen, directories }: Listed): Note[] {
  return [
    {
      names: missing,
      remark: () => "listed, but no file",
      sentence: ["1 listed name is that of no file, and runs", "listed names are those of no file, and run"],
    },
    {
      names: unseen,
      remark: () => "listed, but could not be looked at",
      sentence: [
        "1 listed name could not be looked at, and runs",
        "listed names could not be looked at, and run",
      ],
    },
    {
      names: directories,
      remark: () => "listed, but a directory",
      sentence: [
        "1 listed name is that of a directory, and runs",
        "listed names are those of directories, and run",
      ],
    },
  ];
}

/** What is excluded now may have joined the session earlier. */
export function excludedNote(pending: readonly string[], excludes: Excludes): Note {
  return {
    names: pending.filter((name) => excludes.excludesFile(name)),
    remark: () => "excluded, but pending in the session",
    sentence: [
      "1 excluded file is pending in the session, and runs",
      "excluded files are pending in the session, and run",
    ],
  };
}

export function spellingNotes({ repeated, respelled, twice }: Distinct): Note[] {
  return [
    {
      names: [...repeated],
      remark: () => "named more than once",
      sentence: [
        "1 file is named more than once, and runs once",
        "files are named more than once, and run once each",
      ],
    },
    {
      names: [...respelled.keys()],
      remark: (name) => `runs as ${respelled.get(name)}`,
      sentence: [
        "1 name is another spelling of a file, which runs once",
        "names are other spellings of files, which run once each",
      ],
      withRemarks: true,
    },
    {
      names: [...twice.keys()],
      remark: (name) => `also ${twice.get(name)}`,
      sentence: [
        "1 file is in the session under two names, and counts as two",
        "files are in the session under two names, and count as two each",
      ],
      withRemarks: true,
    },
  ];
}

/** A link and its target are two names that a command can tell apart, so both run. */
export function linkNote(links: Iterable<string>, names: readonly string[], spellings: Spellings): Note {
  const paths = new Map<string, string>();
  const targets = new Map<string, string>();
  for (const link of links) {
    if (paths.size === 0) for (const name of names) paths.set(spellings.plain(name), name);
    const target = spellings.target(link);
    if (target === undefined) continue;
    const other = paths.get(target);
    if (other === undefined) paths.set(target, link);
    else if (other !== link) targets.set(link, other);
  }
  return {
    names: [...targets.keys()],
    remark: (link) => `the same file as ${targets.get(link)}`,
    sentence: [
      "1 link leads to a file that runs too; both run",
      "links lead to files that run too; all of them run",
    ],
    withRemarks: true,
  };
}
