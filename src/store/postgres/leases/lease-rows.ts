/** Leases as rows of the table of leases. It only reads them: they are written under the session's lock. */
import { formatTimestamp } from "../../../time/clock.ts";
import type { Lease } from "../../session-store.ts";
import type { Parameter, Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";

/** A lease, and whose it is. */
export interface FoundLease {
  readonly lease: Lease;
  readonly hostId: string;
  /** How many files it has claimed. */
  readonly claimed: number;
}

interface Row {
  epoch: number;
  session_id: string;
  shared: boolean;
  worker: string | null;
  process: string | null;
  host: string | null;
  host_id: string;
  since_us: number;
  generation: string | null;
  claimed: number;
}

const select = `
  select l.epoch, l.session_id, l.shared, l.worker, l.process, l.host, l.host_id, l.since_us, l.generation,
    l.claimed
  from sessiond.leases l`;

/** Of several sessions, the oldest first. */
export function leasesOf(database: Queryable, ids: readonly string[]): Promise<FoundLease[]> {
  const ofSessions = "join sessiond.sessions s using (sid) where s.id = any ($1) and s.removed_us is null";
  return found(database, `${select} ${ofSessions} order by l.epoch`, [ids.map(toText)]);
}

export function allLeases(database: Queryable): Promise<FoundLease[]> {
  return found(database, `${select} order by l.epoch`, []);
}

export function leasesOfHost(database: Queryable, hostId: string): Promise<FoundLease[]> {
  return found(database, `${select} where l.host_id = $1 order by l.epoch`, [toText(hostId)]);
}

async function found(database: Queryable, text: string, values: Parameter[]): Promise<FoundLease[]> {
  return (await database.query<Row>(text, values)).map((row) => ({
    lease: {
      session_id: fromText(row.session_id),
      epoch: row.epoch,
      shared: row.shared,
      worker: fromText(row.worker),
      process: fromText(row.process),
      host: fromText(row.host),
      since: formatTimestamp(row.since_us),
      generation: fromText(row.generation),
    },
    hostId: fromText(row.host_id),
    claimed: row.claimed,
  }));
}
