/** The errors of the worker channel, as the client throws them. */
import type { ClosingMessage, DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { ConnectionError } from "../http/connection-error.ts";

export function errorOf(message: Extract<DaemonMessage, { type: "error" }>): SessiondError {
  const { code, detail, outcome } = message;
  return new SessiondError(code, detail, { outcome: outcome === "unknown" ? "unknown" : "not_applied" });
}

/** Why the daemon ended the connection, unless the worker has detached. */
export function closingError({ code, detail }: ClosingMessage): SessiondError {
  return new SessiondError(code === "detached" ? "internal" : code, detail);
}

/** The same error with another outcome: whether the report may have been stored. */
export function withOutcome(error: Error, outcome: "unknown" | "not_applied"): Error {
  const details = { cause: error, outcome };
  if (isSessiondError(error)) return new SessiondError(error.code, error.message, details);
  if (!(error instanceof ConnectionError)) return error;
  return new ConnectionError(error.reason, error.socketPath, error.message, details);
}
