/** Trees of files for tests of patterns, and what `find` says of them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Excludes } from "../../src/find/excludes.ts";
import { type Found, findFiles } from "../../src/find/find-files.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A new directory with these: `a/b` is a file, `a/` a directory, and `a -> b` a link. */
export async function tree(...entries: readonly string[]): Promise<string> {
  const root = await tempDir();
  for (const entry of entries) {
    const [name = "", target] = entry.split(" -> ");
    const path = join(root, name);
    mkdirSync(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (target !== undefined) symlinkSync(target, path);
    else if (!name.endsWith("/")) writeFileSync(path, name);
  }
  return root;
}

export interface SearchOptions {
  exclude?: readonly string[];
  follow?: boolean;
}

export function search(
  cwd: string,
  pattern: string,
  { exclude = [], follow = false }: SearchOptions = {},
): Promise<Found> {
  return findFiles({ pattern, cwd, follow, excludes: new Excludes(exclude, cwd) });
}

/** What find prints, sorted as a search sorts it. Names begin as those of the pattern do. */
export function find(cwd: string, line: string): string[] {
  const output = execFileSync("sh", ["-c", `find ${line} -print0`], {
    cwd,
    env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
  });
  return output.toString().split("\0").slice(0, -1).sort();
}
