/** The command line that starts sessionctl as the guard of a run: a command that the help does not list. */
import { basename } from "node:path";

export const guardVerb = "run-guard";

/** Undefined if this process is not sessionctl itself, as in a program that uses its modules. */
export function guardCommand(mark: string): readonly string[] | undefined {
  const script = process.argv[1];
  if (script === undefined || !/^sessionctl(\.m?js)?$/.test(basename(script))) return undefined;
  return [process.execPath, script, guardVerb, mark];
}
