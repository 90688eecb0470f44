/** Trouble of the runner's own, or of its machine: no file is at fault, so no file is charged with it. */
import { systemErrorCode } from "../error.ts";
import { isDirectory } from "../files/kind-of-path.ts";
import { programProblem } from "./find-program.ts";
import { startError } from "./start-error.ts";
import { hasPlaceholder, type Template } from "./template.ts";

/** The run cannot go on. The files that are not recorded stay pending. The message is for people. */
export class OwnTrouble extends Error {}

/** The resources whose lack stops every command, and what to do. */
const exhausted: Readonly<Record<string, string>> = {
  EAGAIN: "too many processes (EAGAIN); allow more (ulimit -u), or run fewer commands at once with -j",
  EMFILE: "too many open files (EMFILE); allow more (ulimit -n), or run fewer commands at once with -j",
  ENFILE: "too many open files on this machine (ENFILE)",
  ENOMEM: "out of memory (ENOMEM); run fewer commands at once with -j",
};

/** Why no command can be started for lack of resources; undefined if the error says nothing of that. */
export function exhaustion(error: unknown): OwnTrouble | undefined {
  const why = exhausted[systemErrorCode(error) ?? ""];
  return why === undefined ? undefined : new OwnTrouble(`cannot start a command: ${why}`, { cause: error });
}

export interface NotStarted {
  readonly template: Template;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly path: string | undefined;
  readonly error: unknown;
}

/**
 * The trouble if a command could not be started for a reason that is the same for all files: the working
 * directory or the program is gone. Undefined if the reason may be the name of the file.
 */
export function startTrouble({ template, command, cwd, path, error }: NotStarted): OwnTrouble | undefined {
  const code = systemErrorCode(error);
  // The list of arguments is too long for one name. Errors of Node.js itself are about the name as well.
  if (code === undefined || code === "E2BIG" || code.startsWith("ERR_")) return undefined;
  if (!isDirectory(cwd)) return new OwnTrouble(`the working directory ${cwd} is gone`, { cause: error });
  if (!template.shell && hasPlaceholder(template.words[0] as string)) return undefined;
  const program = command[0] as string;
  const why = programProblem(program, cwd, path) ?? `cannot start ${program}: ${startError(error)}`;
  return new OwnTrouble(why, { cause: error });
}
