/** Why a change of a session is refused because of its file. */
import { isSessiondError, SessiondError } from "../../../error.ts";

/** Another program writes the file between every look of ours and our own write. */
export function busy(id: string, outcome: SessiondError["outcome"] = "not_applied"): SessiondError {
  return new SessiondError("storage_failed", `another program keeps changing "${id}"; try again`, {
    outcome,
  });
}

/** Throws the error of writing a file before its removal, with what can still be done. */
export function adviseToPurge(error: unknown): never {
  if (!isSessiondError(error, "storage_full", "payload_too_large")) throw error;
  const message = `the last reports do not fit into the session's file, so it can only be purged: ${error.message}`;
  throw new SessiondError(error.code, message, { cause: error });
}
