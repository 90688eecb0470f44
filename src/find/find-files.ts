/**
 * Finds the files that a pattern means.
 *
 * The room find/ owns what a pattern means, which files it finds, and when two names mean one file. It does
 * not know what the files are for.
 */
import { lstatSync, statSync } from "node:fs";
import { isFile } from "../files/kind-of-path.ts";
import { specialName } from "./directory.ts";
import type { Excludes } from "./excludes.ts";
import { type Branch, parsePattern, within } from "./pattern.ts";
import type { Sequence } from "./sequence.ts";
import { isGone, type Skipped, skippedBy } from "./skipped.ts";
import { type Finds, walk } from "./walk.ts";

export interface Search {
  readonly pattern: string;
  /** The directory that names are relative to. */
  readonly cwd: string;
  readonly excludes: Excludes;
  /** Whether to enter directories behind links. */
  readonly follow: boolean;
}

export interface Found {
  /** In the order of their UTF-16 code units, each once. */
  readonly files: readonly string[];
  /** Those of the files that are links. */
  readonly links: ReadonlySet<string>;
  readonly skipped: readonly Skipped[];
  /** The pattern is also the name of a file, and finds other files besides. */
  readonly isAmbiguous: boolean;
}

/**
 * The files that match the pattern, and the file of that name if there is one.
 *
 * @throws PatternError
 */
export async function findFiles(search: Search): Promise<Found> {
  const { pattern, cwd, excludes } = search;
  const branches = parsePattern(pattern, { dot: false });
  const finds: Finds = { files: [], links: new Set(), skipped: [] };
  const isName = branches.every(({ segments }) => segments.length === 0) && !/[\\{]/.test(pattern);
  if (isName) lookAt(pattern, search, finds);
  else {
    for (const { base, segments } of branches) if (segments.length === 0) lookAt(base, search, finds);
    await walkAll(branches, search, finds);
  }
  const { files } = finds;
  const matches = files.length;
  // A file may be called just like the pattern.
  const isOther = !isName && isFile(pathIn(cwd, pattern)) && !files.includes(pattern);
  if (isOther && !excludes.excludesFile(pattern)) files.push(pattern);
  if (files.length + finds.skipped.length === 0) {
    finds.skipped.push({ name: pattern, why: "no-match", detail: excludes.isEmpty ? "" : "excluded" });
  }
  const isAmbiguous = matches > 0 && files.length > matches;
  files.sort();
  finds.skipped.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...finds, files: files.filter((file, index) => file !== files[index - 1]), isAmbiguous };
}

/** The path of what is named in that directory. The system resolves `..`, because links may be in the way. */
export function pathIn(cwd: string, name: string): string {
  return name.startsWith("/") ? name : within(cwd, name);
}

function lookAt(name: string, { cwd, excludes }: Search, { files, links, skipped }: Finds): void {
  if (excludes.excludesFile(name)) return;
  const path = pathIn(cwd, name);
  try {
    const isLink = lstatSync(path).isSymbolicLink();
    const stats = isLink ? statSync(path) : lstatSync(path);
    if (stats.isFile()) {
      files.push(name);
      if (isLink) links.add(name);
    } else if (stats.isDirectory()) skipped.push({ name, why: "directory", detail: "" });
    else skipped.push({ name, why: "special", detail: specialName(stats) });
  } catch (error) {
    if (!isGone(error)) skipped.push(skippedBy(error, name));
    else if (isThere(path)) skipped.push({ name, why: "dead-link", detail: "" });
  }
}

async function walkAll(branches: readonly Branch[], search: Search, finds: Finds): Promise<void> {
  const { pattern, cwd, excludes, follow } = search;
  const trees = new Map<string, Sequence[]>();
  for (const { base, segments, isDirectory } of branches) {
    if (segments.length === 0) continue;
    if (isDirectory) finds.skipped.push({ name: pattern, why: "directory", detail: "" });
    else trees.set(base, [...(trees.get(base) ?? []), { segments, dot: false }]);
  }
  for (const [name, sequences] of trees) {
    const path = pathIn(cwd, name);
    if (isDirectory(path, name, finds.skipped)) {
      await walk({ path, name, sequences, excludes, follow }, finds);
    }
  }
}

function isDirectory(path: string, name: string, skipped: Skipped[]): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (!isGone(error)) skipped.push(skippedBy(error, name));
    else if (isThere(path)) skipped.push({ name, why: "dead-link", detail: "" });
    return false;
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}
