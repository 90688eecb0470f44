/** Leases as rows of the table of leases. It only reads them: they are written under the session's lock. */
import type { Parameter, Queryable } from "../connection/database.ts";
import { type LeaseRow, leaseColumns, leaseOf } from "../log/lease-row.ts";
import type { SessionLease } from "../log/log.ts";
import { toText } from "../schema/names.ts";

/** A lease, whose it is, and how many files it has claimed. */
export interface FoundLease extends SessionLease {
  readonly claimed: number;
}

const select = `select ${leaseColumns}, claimed from sessiond.leases`;

/** Of several sessions, the oldest first. */
export function leasesOf(database: Queryable, ids: readonly string[]): Promise<FoundLease[]> {
  const ofSessions = "join sessiond.sessions s using (sid) where s.id = any ($1) and s.removed_us is null";
  return found(database, `${select} ${ofSessions} order by epoch`, [ids.map(toText)]);
}

export function allLeases(database: Queryable): Promise<FoundLease[]> {
  return found(database, `${select} order by epoch`, []);
}

export function leasesOfHost(database: Queryable, hostId: string): Promise<FoundLease[]> {
  return found(database, `${select} where host_id = $1 order by epoch`, [toText(hostId)]);
}

async function found(database: Queryable, text: string, values: Parameter[]): Promise<FoundLease[]> {
  const rows = await database.query<LeaseRow & { claimed: number }>(text, values);
  return rows.map((row) => ({ ...leaseOf(row), claimed: row.claimed }));
}
