/** How sessionctl is started to guard a run: a verb that no help mentions. */
import { basename } from "node:path";

export const guardVerb = "run-guard";

/** Undefined where this process is not sessionctl itself, as in a program that calls its parts. */
export function guardCommand(mark: string): readonly string[] | undefined {
  const script = process.argv[1];
  if (script === undefined || !/^sessionctl(\.m?js)?$/.test(basename(script))) return undefined;
  return [process.execPath, script, guardVerb, mark];
}
