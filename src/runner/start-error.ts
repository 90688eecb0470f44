/** Says in words why a command could not be started. */
import { getSystemErrorMap } from "node:util";
import { systemErrorCode } from "../error.ts";

export function startError(error: unknown): string {
  const code = systemErrorCode(error);
  if (code === "ENOENT") return "the program, or the interpreter in its first line, does not exist (ENOENT)";
  const { errno, message } = error as NodeJS.ErrnoException;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return words === undefined ? message : `${words} (${code})`;
}
