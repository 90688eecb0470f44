/**
 * The one statement that appends to the journals of many sessions. It takes the locks that are free, in no
 * wait for any other, and writes the sessions whose rows are as their copies were: for each row, its `seq`
 * says so. All that is to be kept travels as one block of bytes, because numbers and bytes cost the server
 * next to nothing, and text must be escaped and parsed.
 */
import type { Micros } from "../../../time/clock.ts";
import type { Parameter, Queryable } from "../connection/database.ts";

/** What is appended to one session. */
export interface SessionBatch {
  readonly sid: number;
  /** As the row must be. */
  readonly seqBefore: number;
  readonly records: readonly BatchRecord[];
  /** Of the session with the records. */
  readonly revision: number;
  /** Of the last report; null if there is none. */
  readonly time: Micros | null;
  readonly processed: number;
  readonly pending: number;
  /** By lease, how many files it has claimed, where that has changed. */
  readonly counts: ReadonlyMap<number, number> | undefined;
}

type RecordKind = BatchRecord["kind"];

export interface BatchRecord {
  readonly kind: "r" | "c" | "g";
  readonly revision: number;
  readonly time: Micros;
  readonly json: Buffer;
}

export interface Origin {
  /** Of this statement. */
  readonly op: string;
  /** Of this run of the daemon. */
  readonly origin: string;
}

/** Returns the sids of the sessions that were written. Of the others nothing was. */
export async function appendBatch(
  tx: Queryable,
  sessions: readonly SessionBatch[],
  { op, origin }: Origin,
): Promise<Set<number>> {
  const { values, hasCounts } = parametersOf(sessions, op, origin);
  const rows = await tx.query<{ sid: number }>(hasCounts ? withCounts : withoutCounts, values);
  return new Set(rows.map(({ sid }) => sid));
}

/**
 * `held` takes the locks first: an update alone would wait for one row while it holds others. A row that was
 * changed since the statement began is looked at again under its lock.
 */
const statement = (counts: string) => `
with row as materialized (
  select * from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[],
    $8::int[], $9::bigint[])
    as t(sid, seq, next_seq, revision, time, processed, pending, added)
), held as materialized (
  select s.sid, s.seq, s.revision, s.processed, s.pending, s.checkpoint_us, s.checkpoint_text
  from sessiond.sessions s join row r on s.sid = r.sid and s.seq = r.seq
  for no key update of s skip locked
), written as (
  update sessiond.sessions s set
    seq = r.next_seq,
    revision = r.revision,
    checkpoint_us = coalesce(r.time, s.checkpoint_us),
    checkpoint_text = case when r.time is null then s.checkpoint_text end,
    active_min = coalesce(r.time, s.checkpoint_us) / 60000000,
    processed = r.processed,
    pending = r.pending,
    log_bytes = s.log_bytes + r.added
  from row r where s.sid = r.sid and s.sid = any (array(select sid from held)) and s.seq = r.seq
  returning s.sid, r.next_seq
), kept as (
  insert into sessiond.journal (sid, seq, kind, revision, at_us, data)
  select j.sid, j.seq, j.kind, j.revision, j.time, substring($1::bytea from j.start for j.length)
  from unnest($10::bigint[], $11::bigint[], $12::"char"[], $13::bigint[], $14::bigint[], $15::int[],
    $16::int[])
    as j(sid, seq, kind, revision, time, start, length)
  where j.sid = any (array(select sid from written))
), told as (
  insert into sessiond.batches (origin, op, sids, seqs, seqs_before, revisions, processed, pending,
    checkpoints_us, checkpoints_text)
  select $18::uuid, $17::uuid, array_agg(sid), array_agg(w.next_seq), array_agg(h.seq), array_agg(h.revision),
    array_agg(h.processed), array_agg(h.pending), array_agg(h.checkpoint_us), array_agg(h.checkpoint_text)
  from written w join held h using (sid) having count(*) > 0
)${counts}
select sid from written`;

const withoutCounts = statement("");
const withCounts = statement(`, counted as (
  update sessiond.leases l set claimed = c.n
  from unnest($19::bigint[], $20::bigint[], $21::int[]) as c(sid, lease, n)
  where l.sid = c.sid and l.lease_id = c.lease and c.sid = any (array(select sid from written))
)`);

function parametersOf(
  sessions: readonly SessionBatch[],
  op: string,
  origin: string,
): { values: Parameter[]; hasCounts: boolean } {
  const bytes: Buffer[] = [];
  const [sids, seqs, nextSeqs, revisions, times, processed, pending, added] = columns<number | null>(8);
  const [recordSids, recordSeqs, kinds, recordRevisions, recordTimes, starts, lengths] = columns<
    number | RecordKind
  >(7);
  const [countSids, countLeases, counts] = columns<number>(3);
  let start = 1;
  for (const session of sessions) {
    let seq = session.seqBefore;
    let total = 0;
    for (const { kind, revision, time, json } of session.records) {
      recordSids.push(session.sid);
      recordSeqs.push(++seq);
      kinds.push(kind);
      recordRevisions.push(revision);
      recordTimes.push(time);
      starts.push(start);
      lengths.push(json.length);
      bytes.push(json);
      start += json.length;
      total += json.length;
    }
    sids.push(session.sid);
    seqs.push(session.seqBefore);
    nextSeqs.push(seq);
    revisions.push(session.revision);
    times.push(session.time);
    processed.push(session.processed);
    pending.push(session.pending);
    added.push(total);
    for (const [lease, count] of session.counts ?? []) {
      countSids.push(session.sid);
      countLeases.push(lease);
      counts.push(count);
    }
  }
  const values: Parameter[] = [
    Buffer.concat(bytes),
    ...[sids, seqs, nextSeqs, revisions, times, processed, pending, added].map(arrayOf),
    ...[recordSids, recordSeqs, kinds, recordRevisions, recordTimes, starts, lengths].map(arrayOf),
    op,
    origin,
  ];
  const hasCounts = counts.length > 0;
  if (hasCounts) values.push(...[countSids, countLeases, counts].map(arrayOf));
  return { values, hasCounts };
}

/** An array as PostgreSQL reads it. `pg` would quote and escape each item, which none of these needs. */
function arrayOf(items: readonly (number | null)[] | readonly (number | RecordKind)[]): string {
  return `{${items.map((item) => item ?? "null").join(",")}}`;
}

function columns<T>(count: 3): [T[], T[], T[]];
function columns<T>(count: 7): [T[], T[], T[], T[], T[], T[], T[]];
function columns<T>(count: 8): [T[], T[], T[], T[], T[], T[], T[], T[]];
function columns<T>(count: number): T[][] {
  return Array.from({ length: count }, () => []);
}
