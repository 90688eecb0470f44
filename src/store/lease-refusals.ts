/** Why a lease is refused, or a change by somebody who has none. */
import { SessiondError } from "../error.ts";
import type { Lease } from "./session-store.ts";

export function leaseHeld({ session_id, worker, shared }: Lease): SessiondError {
  const holder = worker === null ? "a worker" : `the worker "${worker}"`;
  const who = shared ? "only workers that share it" : "only that worker";
  return new SessiondError(
    "lease_held",
    `${holder} is attached to "${session_id}", and ${who} may report; stop the worker first`,
  );
}

export function otherKind({ session_id, shared }: Lease): SessiondError {
  const kind = shared ? "is shared; attach with shared=true" : "is exclusive; attach without shared=true";
  return new SessiondError("lease_held", `the lease of "${session_id}" that the token belongs to ${kind}`);
}
