/** Why a session is not restored from the trash. Shared by all backends. */
import type { TrashEntry } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import { shellOperand, shellQuote } from "../text/shell-quote.ts";
import { sessionExists } from "./change-conditions.ts";

export function notInTrash(id: string): SessiondError {
  const message = `"${id}" is not in the trash; list the trash with: sessionctl trash ls`;
  return new SessiondError("session_not_found", message);
}

/** There is a session of the id that the entry has. */
export function occupied({ session_id, trash_id }: TrashEntry): SessiondError {
  const command = `sessionctl trash restore --trash-id ${shellQuote(trash_id)} ${shellOperand(session_id)}`;
  const advice =
    "rename it (export it, import it --as another id, delete it) or purge it first; " +
    `if you only delete it, it becomes the newest entry in the trash, so name the one to restore: ${command}`;
  return sessionExists(session_id, advice);
}
