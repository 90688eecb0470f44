/** What a run needs to create its session, and what it says where something is missing. */
import { existsSync } from "node:fs";
import type { FoundDaemon } from "../../client/on-demand/find-daemon.ts";
import { defaultSessionsDir } from "../../contract/socket-path.ts";
import { SessiondError } from "../../error.ts";
import type { Context } from "../context.ts";
import { usageError } from "../exit-code.ts";
import type { RunRequest } from "./command.ts";
import { giveCommand } from "./memory.ts";

/** Whether there is no store, and the run makes none: a dry run, or one that only goes on. */
export function isNowhere({ found }: Context, request: RunRequest): boolean {
  return isMissing(found) && ((request.options.dryRun ?? false) || !isEnoughToCreate(request));
}

function isMissing({ store }: FoundDaemon): boolean {
  return store !== undefined && !existsSync(store);
}

function givesFiles({ options: { files, filesFrom }, names, lists }: RunRequest): boolean {
  return files !== undefined || filesFrom !== undefined || names !== undefined || lists.length > 0;
}

/** A new session needs a command and files. */
function isEnoughToCreate(request: RunRequest): boolean {
  return request.words.length > 0 && givesFiles(request);
}

/** For a run without a command over a session that is not there. */
export function noCommand(
  id: string | undefined,
  request: RunRequest,
  { isNowhere }: { isNowhere: boolean },
): Error {
  if (givesFiles(request)) return usageError(giveCommand);
  const where = isNowhere ? `: there is no ${defaultSessionsDir} here or above` : "";
  const what = "to create it, give its files with --files and its command after --";
  return new SessiondError("session_not_found", `there is no session "${id}" to go on with${where}; ${what}`);
}

export function noFiles(id: string | undefined, words: readonly string[]): Error {
  const misplaced = words.find((word) => /^--files(-from)?(=|$)/.test(word));
  if (misplaced !== undefined)
    return usageError(`${misplaced} after -- is a word of the command; give it before --`);
  const what =
    "give the files to run for with --files 'src/**/*.ts', with --files-from FILE (- for standard input), " +
    "or by name at the end: ::: FILE...";
  if (id === undefined) return usageError(what);
  return new SessiondError("session_not_found", `there is no session "${id}"; to create it, ${what}`);
}
