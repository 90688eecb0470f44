/** The working directory of this process, which somebody may have deleted. */

export const goneDirectory = "the working directory has been deleted; change to a directory that exists";

/** Undefined if it is gone. */
export function workingDirectory(of: Pick<NodeJS.Process, "cwd"> = process): string | undefined {
  try {
    return of.cwd();
  } catch (error) {
    if (isGoneDirectory(error)) return undefined;
    throw error;
  }
}

/** Whether this is the error of `process.cwd` for a directory that is gone. */
export function isGoneDirectory(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "uv_cwd";
}
