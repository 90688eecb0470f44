/**
 * The closed list of error codes. They are part of the contract: programs decide by
 * the code, people read the message. `contract/errors.ts` gives each its HTTP status.
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
  "approval_required",
  "revision_mismatch",
  "payload_too_large",
  "session_corrupt",
  "storage_full",
  "storage_failed",
  "directory_locked",
  "directory_too_new",
  "socket_in_use",
  "shutting_down",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** One thing wrong with an input: where (`config.target_path`, `pending_files[3]`) and what. */
export interface Issue {
  path: string;
  message: string;
}

export interface ErrorDetails {
  issues?: readonly Issue[];
  cause?: unknown;
  /**
   * Whether the change may have happened all the same. `not_applied` (the default) is a
   * promise; after `unknown` the caller must look, or repeat an idempotent operation.
   */
  outcome?: "not_applied" | "unknown";
}

/** What every module of sessiond throws on purpose. Anything else is a bug and becomes `internal`. */
export class SessiondError extends Error {
  readonly code: ErrorCode;
  readonly issues: readonly Issue[] | undefined;
  readonly outcome: "not_applied" | "unknown";

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SessiondError";
    this.code = code;
    this.issues = details.issues;
    this.outcome = details.outcome ?? "not_applied";
  }
}

export function isSessiondError(error: unknown, ...codes: ErrorCode[]): error is SessiondError {
  return error instanceof SessiondError && (codes.length === 0 || codes.includes(error.code));
}

/** The `code` of a Node.js system error (`ENOENT`, `EACCES` …), if it is one. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
