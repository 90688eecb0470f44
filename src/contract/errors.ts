/** How errors appear over HTTP. */
import type { ErrorCode, Issue } from "../error.ts";

/** The HTTP status of every error code. Programs should decide by the code. */
export const httpStatus: Readonly<Record<ErrorCode, number>> = {
  invalid_request: 400,
  invalid_session_id: 422,
  session_not_found: 404,
  session_deleted: 410,
  session_exists: 409,
  invalid_transition: 409,
  lease_held: 409,
  lease_lost: 409,
  not_claimed: 409,
  approval_required: 409,
  revision_mismatch: 412,
  payload_too_large: 413,
  session_corrupt: 422,
  storage_full: 507,
  storage_failed: 503,
  storage_unavailable: 503,
  storage_unsafe: 409,
  storage_too_new: 409,
  not_supported: 501,
  directory_locked: 409,
  directory_too_new: 409,
  socket_in_use: 409,
  shutting_down: 503,
  internal: 500,
};

/** The body of every error reply: `application/problem+json` (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  issues?: readonly Issue[];
  /** Present if the change may have happened in spite of the error. */
  outcome?: "unknown";
}

export const problemMediaType = "application/problem+json";
