/** Looks at what is at a path, for those who only want to know whether it is of the kind that they need. */
import { type Stats, statSync } from "node:fs";

/** Whether there is a regular file, links followed; false also if nobody can tell. */
export function isFile(path: string): boolean {
  return statsOf(path)?.isFile() ?? false;
}

/** Whether there is a directory, links followed; false also if nobody can tell. */
export function isDirectory(path: string): boolean {
  return statsOf(path)?.isDirectory() ?? false;
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
