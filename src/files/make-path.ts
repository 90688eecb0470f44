/** Makes a directory and those above it. */
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemErrorCode } from "../error.ts";
import { isDirectory } from "./kind-of-path.ts";

/**
 * Makes a directory, and those above it, if it is missing. Returns the first directory that was made, or
 * undefined if there was nothing to do. `mkdirSync` with `recursive` does not return where the system says
 * ENOENT although the directory above exists, as /proc does.
 *
 * @throws the error of the system: ENOTDIR for a file on the way, EACCES, ENOSPC …
 */
export function makePath(path: string, { mode = 0o777 }: { mode?: number } = {}): string | undefined {
  const absolute = resolve(path);
  try {
    mkdirSync(absolute, { mode });
    return absolute;
  } catch (error) {
    if (isDirectory(absolute)) return undefined;
    const above = dirname(absolute);
    if (systemErrorCode(error) !== "ENOENT" || isDirectory(above)) throw error;
    const first = makePath(above, { mode });
    // Another process may make either of them meanwhile.
    const own = makePath(absolute, { mode });
    return first ?? own;
  }
}
