/** The error of a session that is not there. */
import { SessiondError } from "../error.ts";
import { shellOperand } from "../text/shell-quote.ts";

/** `session_deleted`, with the way to get it back, if a session of this id is in the trash. */
export function missingSession(id: string, isInTrash: boolean): SessiondError {
  if (!isInTrash) return new SessiondError("session_not_found", `there is no session "${id}"`);
  const restore = `sessionctl trash restore ${shellOperand(id)}`;
  const message = `session "${id}" was deleted and is in the trash; restore it with: ${restore}`;
  return new SessiondError("session_deleted", message);
}
