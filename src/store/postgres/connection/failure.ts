/** What an error of the connection or of PostgreSQL means for the caller. Pure. */
import { SessiondError, systemErrorCode } from "../../../error.ts";

/**
 * `conflict`: run it again. `away`: the server is not there, or not the primary any more. `crowded`: it has
 * no room for another connection. `full`: no space left. `refused`: the server does not let us in, which
 * somebody has to mend. `busy`: it could not carry out this statement now. `bug`: all else.
 */
export type Failure = "conflict" | "away" | "crowded" | "full" | "refused" | "busy" | "bug";

/** SQLSTATEs (PostgreSQL, appendix A) by code, or by class. */
const byState: Readonly<Record<string, Failure>> = {
  "40001": "conflict",
  "40P01": "conflict",
  "53100": "full",
  "53300": "crowded",
  "25006": "away",
  "25P03": "away",
  "57P01": "away",
  "57P02": "away",
  "57P03": "away",
  "57P05": "away",
  "08": "away",
  "28": "refused",
  "3D": "refused",
  "57014": "busy",
  "53": "busy",
  "58": "busy",
};

/** What somebody has to mend before the database can be used: it does not go away by itself. */
export class RefusedError extends Error {}

/** The database cannot be asked now, and may be later. */
export class AwayError extends Error {}

/** Somebody ended the wait of a commit for its standby. The server has the change, and no standby may. */
export class NotReplicatedError extends Error {}

/** The SQLSTATE of an error that PostgreSQL sent; undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  const code = systemErrorCode(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)
    ? code
    : undefined;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof RefusedError) return "refused";
  if (error instanceof AwayError || error instanceof NotReplicatedError) return "away";
  const state = sqlState(error);
  if (state !== undefined) return byState[state] ?? byState[state.slice(0, 2)] ?? "bug";
  const code = systemErrorCode(error) ?? "";
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) return "refused";
  if (/^E[A-Z0-9_]+$/.test(code) && !code.startsWith("ERR_")) return "away";
  const text = error instanceof Error ? error.message : "";
  if (isWithoutTls(error) || /^SASL|password must be/.test(text)) return "refused";
  return /^Connection terminated|timeout expired|^Client was closed|not queryable/.test(text)
    ? "away"
    : "bug";
}

/**
 * Notes that the server ended the connection with this error, in place of being ready for the next statement.
 */
export function markEnding(error: unknown): void {
  Object.assign(error as object, { endedConnection: true });
}

/**
 * Whether the server has answered that the statement failed. Then it was not applied. An error that ends the
 * connection is no such answer: a commit may have come before. The severity does not tell, because the server
 * says it in its own language.
 */
export function isAnswer(error: unknown): boolean {
  return sqlState(error) !== undefined && !("endedConnection" in (error as object));
}

/** Whether the server takes no encrypted connections. */
export function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && error.message.includes("server does not support SSL");
}

/** When to ask again. A failover takes some seconds. */
export const retryAfterMs = 1000;

export function unavailable(why: string, outcome: "not_applied" | "unknown", cause?: unknown): SessiondError {
  return new SessiondError("storage_unavailable", why, { outcome, retryAfterMs, cause });
}

/** The error for the caller of a statement. `commits`: it was sent, and commits what it writes. */
export function callerError(error: unknown, commits: boolean): unknown {
  if (error instanceof SessiondError) return error;
  const failure = failureOf(error);
  if (failure === "bug" || failure === "conflict") return error;
  const text = (error as Error).message;
  if (failure === "full")
    return new SessiondError("storage_full", `the database is full: ${text}`, { cause: error });
  const outcome = commits && !isAnswer(error) ? "unknown" : "not_applied";
  return unavailable(`the database is not available: ${text}`, outcome, error);
}
