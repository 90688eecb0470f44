import { expect, test } from "vitest";
import { httpStatus } from "../../src/contract/errors.ts";
import { errorCodes } from "../../src/error.ts";

test("every code has the status that programs rely on", () => {
  expect(Object.keys(httpStatus).sort()).toEqual([...errorCodes].sort());
  expect(httpStatus).toMatchInlineSnapshot(`
    {
      "approval_required": 409,
      "directory_locked": 409,
      "directory_too_new": 409,
      "internal": 500,
      "invalid_request": 400,
      "invalid_session_id": 422,
      "invalid_transition": 409,
      "lease_held": 409,
      "lease_lost": 409,
      "not_claimed": 409,
      "not_supported": 501,
      "payload_too_large": 413,
      "revision_mismatch": 412,
      "session_corrupt": 422,
      "session_deleted": 410,
      "session_exists": 409,
      "session_not_found": 404,
      "shutting_down": 503,
      "socket_in_use": 409,
      "storage_failed": 503,
      "storage_full": 507,
      "storage_too_new": 409,
      "storage_unavailable": 503,
      "storage_unsafe": 409,
    }
  `);
});
