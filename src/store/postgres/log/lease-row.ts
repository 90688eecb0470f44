/** A lease as a row of the table `leases`. */
import { formatTimestamp, parseTimestamp } from "../../../time/clock.ts";
import type { Parameter, Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";
import type { LeaseClaims } from "./documents.ts";
import type { SessionLease } from "./log.ts";

export interface LeaseRow {
  epoch: number;
  sid: number;
  lease_id: number;
  session_id: string;
  shared: boolean;
  worker: string | null;
  process: string | null;
  host: string | null;
  host_id: string;
  since_us: number;
  generation: string | null;
  token_hash: Buffer | null;
}

const names = [
  "epoch",
  "sid",
  "lease_id",
  "session_id",
  "shared",
  "worker",
  "process",
  "host",
  "host_id",
  "since_us",
  "generation",
  "token_hash",
] as const;

/** For a select list. */
export const leaseColumns = names.join(", ");

export function leaseOf(row: LeaseRow): SessionLease {
  return {
    id: row.lease_id,
    hostId: fromText(row.host_id),
    tokenHash: row.token_hash,
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
  };
}

/** The leases of a session, by epoch. */
export async function readLeases(tx: Queryable, sid: number): Promise<Map<number, SessionLease>> {
  const rows = await tx.query<LeaseRow>(
    `select ${leaseColumns} from sessiond.leases where sid = $1 order by epoch`,
    [sid],
  );
  return new Map(rows.map((row) => [row.epoch, leaseOf(row)]));
}

/**
 * Makes the rows of a session these. A lease under a new epoch goes on with what it has claimed. Of a lease
 * that stays, only the host may be another.
 */
export async function writeLeases(
  tx: Queryable,
  sid: number,
  before: ReadonlyMap<number, SessionLease>,
  after: ReadonlyMap<number, SessionLease>,
): Promise<void> {
  for (const [epoch, held] of after) {
    const known = before.get(epoch);
    if (known?.hostId === held.hostId) continue;
    if (known !== undefined) {
      await tx.query("update sessiond.leases set host_id = $2 where epoch = $1", [
        epoch,
        toText(held.hostId),
      ]);
      continue;
    }
    await tx.query(
      `insert into sessiond.leases (${leaseColumns}, claimed)
       select ${names.map((_, at) => `$${at + 1}`).join(", ")}, coalesce(
         (select max(claimed) from sessiond.leases where sid = $2 and lease_id = $3), 0)`,
      valuesOf(sid, held),
    );
  }
  const ended = [...before.keys()].filter((epoch) => !after.has(epoch));
  if (ended.length > 0)
    await tx.query("delete from sessiond.leases where epoch = any ($1::bigint[])", [ended]);
}

/** Writes how many files each lease of a session has claimed. */
export async function writeCounts(
  tx: Queryable,
  sid: number,
  leases: ReadonlyMap<number, SessionLease>,
  claims: readonly LeaseClaims[],
): Promise<void> {
  if (![...leases.values()].some(({ lease }) => lease.shared)) return;
  await tx.query(
    `update sessiond.leases l set claimed = coalesce(
       (select c.n from unnest($2::bigint[], $3::int[]) as c(lease, n) where c.lease = l.lease_id), 0)
     where sid = $1`,
    [sid, claims.map(([lease]) => lease), claims.map(([, files]) => files.length)],
  );
}

function valuesOf(sid: number, { lease, id, hostId, tokenHash }: SessionLease): Parameter[] {
  return [
    lease.epoch,
    sid,
    id,
    toText(lease.session_id),
    lease.shared,
    toText(lease.worker),
    toText(lease.process),
    toText(lease.host),
    toText(hostId),
    parseTimestamp(lease.since) ?? 0,
    toText(lease.generation),
    tokenHash,
  ];
}
