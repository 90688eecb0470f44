/** The limits of this process, as /proc tells them (proc(5), getrlimit(2)). */
import { readFileSync } from "node:fs";

const limitsFile = "/proc/self/limits";

/**
 * The soft limit with this name, such as `Max open files`; infinite if there is none, or if it is unknown.
 */
export function softLimit(name: string, read: (path: string) => string = readText): number {
  const limit = new RegExp(`^${name} +(\\d+) `, "m").exec(read(limitsFile))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

/** The text of a file; empty if it cannot be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
