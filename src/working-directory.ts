/** The working directory of this process, which somebody may have deleted. */
import { statSync } from "node:fs";

export const goneDirectory =
  "the working directory has been deleted, or its name is not UTF-8; change to another one";

/** Undefined if it is gone, or if Node.js cannot say its name. */
export function workingDirectory(of: Pick<NodeJS.Process, "cwd"> = process): string | undefined {
  try {
    const path = of.cwd();
    return isMisnamed(path) ? undefined : path;
  } catch (error) {
    if (isGoneDirectory(error)) return undefined;
    throw error;
  }
}

/** Whether this is the error of `process.cwd` for a directory that is gone. */
export function isGoneDirectory(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "uv_cwd";
}

/**
 * Whether the name of the working directory has been altered. Node.js replaces bytes that are not UTF-8, and
 * what is then made at that path is in a new directory beside the right one.
 */
function isMisnamed(path: string): boolean {
  if (!path.includes("\ufffd")) return false;
  const [named, actual] = [statSync(path, { throwIfNoEntry: false }), statSync(".")];
  return named?.ino !== actual.ino || named.dev !== actual.dev;
}
