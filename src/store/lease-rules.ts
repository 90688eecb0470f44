/**
 * Who gets a lease, and who may report under which: the rules that every backend goes by. Knows neither where
 * leases are kept nor how long they last.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { hostname } from "node:os";
import { SessiondError } from "../error.ts";
import { isOtherGeneration } from "../session/session.ts";
import { leaseHeld, otherKind } from "./lease-refusals.ts";
import type { Lease, LeaseRequest } from "./session-store.ts";

const tokenBytes = 24;

/** A lease, and what only the store knows of it. */
export interface HeldLease {
  readonly lease: Lease;
  /** Stays the same when its worker comes back: its first epoch. */
  readonly id: number;
  /** Null if nobody knows the token: the worker cannot come back, and the lease ends after its grace. */
  readonly tokenHash: Buffer | null;
}

/** The leases of one session, by epoch, and the generation of the session now. */
export interface SessionLeases {
  readonly id: string;
  readonly leases: ReadonlyMap<number, HeldLease>;
  readonly generation: string | null;
}

/** A lease that begins, and the one in whose place it comes: that of the token that was shown. */
export interface BegunLease {
  readonly held: HeldLease;
  readonly before: HeldLease | undefined;
  readonly token: string;
}

/**
 * Admits a request: its lease gets the epoch.
 *
 * @throws SessiondError `lease_held`, `lease_lost`
 */
export function beginLease(
  session: SessionLeases,
  request: LeaseRequest,
  now: string,
  epoch: number,
): BegunLease {
  const { id, leases, generation } = session;
  const { token: shown, shared = false } = request;
  const before = shown === undefined ? undefined : shownBy(session, shown);
  // Those of a session are all of one kind.
  const [other] = leases.values();
  if (before === undefined && other !== undefined && !(shared && other.lease.shared))
    throw leaseHeld(other.lease);
  if (before !== undefined && before.lease.shared !== shared) throw otherKind(before.lease);
  const token = shown ?? randomBytes(tokenBytes).toString("base64url");
  const lease: Lease = {
    session_id: id,
    epoch,
    shared,
    worker: request.worker ?? before?.lease.worker ?? null,
    // Another process than before may have the token now.
    process: request.process ?? null,
    host: hostname(),
    since: before?.lease.since ?? now,
    generation,
  };
  return { held: { lease, id: before?.id ?? epoch, tokenHash: hashOf(token) }, before, token };
}

/**
 * Returns the lease of the epoch.
 *
 * @throws SessiondError `lease_held`, `lease_lost`
 */
export function assertMayReport(
  id: string,
  leases: ReadonlyMap<number, HeldLease>,
  epoch: number | undefined,
): HeldLease | undefined {
  if (epoch === undefined) {
    for (const { lease } of leases.values()) throw leaseHeld(lease);
    return undefined;
  }
  const held = leases.get(epoch);
  if (held === undefined) {
    const message = `the lease of "${id}" with epoch ${epoch} has ended; attach again`;
    throw new SessiondError("lease_lost", message);
  }
  return held;
}

/**
 * As `assertMayReport`, for what anybody may do beside shared leases.
 *
 * @throws SessiondError `lease_held`, `lease_lost`
 */
export function assertMayRequeue(
  id: string,
  leases: ReadonlyMap<number, HeldLease>,
  epoch: number | undefined,
): void {
  const isExclusive = [...leases.values()].some(({ lease }) => !lease.shared);
  if (epoch !== undefined || isExclusive) assertMayReport(id, leases, epoch);
}

/**
 * The shared lease of an epoch.
 *
 * @throws SessiondError `lease_lost`; `invalid_request` for an exclusive lease
 */
export function assertShared(id: string, leases: ReadonlyMap<number, HeldLease>, epoch: number): HeldLease {
  const held = assertMayReport(id, leases, epoch) as HeldLease;
  if (held.lease.shared) return held;
  const message = `the worker has "${id}" for itself, so it claims no files; attach with shared=true to share`;
  throw new SessiondError("invalid_request", message);
}

/** @throws SessiondError `lease_lost` */
function shownBy({ id, leases, generation }: SessionLeases, token: string): HeldLease {
  const hash = hashOf(token);
  for (const held of leases.values()) {
    const isThis = held.tokenHash !== null && timingSafeEqual(held.tokenHash, hash);
    if (isThis && !isOtherGeneration(held.lease.generation, generation)) return held;
  }
  throw new SessiondError(
    "lease_lost",
    `the token is not that of a lease of "${id}", or the lease has ended; attach again without a token`,
  );
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
