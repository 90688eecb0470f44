/** Finds the files that the patterns of a command line name. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { glob } from "tinyglobby";
import { counted } from "../count.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export interface Globs {
  readonly patterns: readonly string[];
  readonly exclude: readonly string[];
  readonly cwd: string;
  complain(line: string): void;
}

/**
 * The files, each once, sorted within each pattern. A pattern that is the name of an existing file means that
 * file, whatever characters it contains. Hidden files match only patterns that contain the dot.
 */
export async function filesOf({ patterns, exclude, cwd, complain }: Globs): Promise<string[]> {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = await matches(pattern, exclude, cwd);
    if (found.length === 0) complain(`${safe(pattern)}: ${emptiness(resolve(cwd, pattern))}`);
    for (const file of found) files.add(file);
  }
  const broken = [...files].filter((file) => file.includes("\ufffd") && !existsSync(resolve(cwd, file)));
  for (const file of broken) files.delete(file);
  if (broken.length > 0)
    complain(`${counted(broken.length, "file")} left out, because their names are not UTF-8`);
  if (files.size === 0) throw new CommandError("no files match; nothing was done");
  return [...files];
}

async function matches(pattern: string, exclude: readonly string[], cwd: string): Promise<string[]> {
  if (isFile(resolve(cwd, pattern))) return [pattern];
  const found = await glob(pattern, {
    cwd,
    ignore: exclude,
    absolute: pattern.startsWith("/"),
    dot: false,
    expandDirectories: false,
    followSymbolicLinks: false,
  });
  return found.sort();
}

function emptiness(path: string): string {
  return existsSync(path) ? "this is a directory; to match the files in it, add /**" : "no file matches";
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
