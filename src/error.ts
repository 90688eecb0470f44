/** The error that all of sessiond throws on purpose, and the closed list of its codes. */

/**
 * Programs decide by the code; people read the message. The codes are therefore part of the contract.
 * `contract/errors.ts` has the HTTP status of each.
 */
export const errorCodes = [
  "invalid_request",
  "invalid_session_id",
  "session_not_found",
  "session_deleted",
  "session_exists",
  "invalid_transition",
  "lease_held",
  "lease_lost",
  "not_claimed",
  "approval_required",
  "revision_mismatch",
  "payload_too_large",
  "session_corrupt",
  "storage_full",
  "storage_failed",
  "storage_unavailable",
  "storage_unsafe",
  "storage_too_new",
  "not_supported",
  "directory_locked",
  "directory_too_new",
  "socket_in_use",
  "shutting_down",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** One problem of an invalid input. */
export interface Issue {
  /** The place, such as `config.target_path` or `pending_files[3]`; empty for the whole input. */
  path: string;
  /** What is wrong there. */
  message: string;
}

export interface ErrorDetails {
  issues?: readonly Issue[];
  cause?: unknown;
  /**
   * `not_applied` (the default) promises that nothing was changed. After `unknown` the change may or may not
   * have happened: the caller must look, or repeat an idempotent operation.
   */
  outcome?: "not_applied" | "unknown";
  /** When to ask again, in milliseconds from now: over HTTP the header `Retry-After`. */
  retryAfterMs?: number | undefined;
}

/** Every error that sessiond throws on purpose. Any other error is a bug, which clients see as `internal`. */
export class SessiondError extends Error {
  readonly code: ErrorCode;
  /** The problems of an invalid input; undefined for most codes. */
  readonly issues: readonly Issue[] | undefined;
  /** Whether a change that failed may have happened: see {@link ErrorDetails}. */
  readonly outcome: "not_applied" | "unknown";
  /** When to ask again, in milliseconds; undefined if nobody knows. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SessiondError";
    this.code = code;
    this.issues = details.issues;
    this.outcome = details.outcome ?? "not_applied";
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Whether this is a {@link SessiondError} with one of the codes, or with any code if none is given. */
export function isSessiondError(error: unknown, ...codes: ErrorCode[]): error is SessiondError {
  return error instanceof SessiondError && (codes.length === 0 || codes.includes(error.code));
}

/** The `code` of a Node.js system error (`ENOENT`, `EACCES` …); undefined for any other value. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
