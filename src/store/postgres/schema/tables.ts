/**
 * The tables of the PostgreSQL store, version 1. Everything is in the schema `sessiond`, and every statement
 * names it, because a pool such as PgBouncer may change the search path.
 *
 * The room store/postgres/schema/ owns the tables: what they are, how they are created and migrated, and how
 * text is written that PostgreSQL cannot hold. It knows no session.
 */

/**
 * What a report changes is next to each other in a row of `sessions`, before all that it leaves alone: of a
 * row that stays on its page PostgreSQL logs only the bytes between the first and the last one that changed.
 * Half of each page stays free, so that the next versions of its rows find room on it (HOT), also when one
 * statement changes all of them.
 */
const sessions = `
create table sessiond.sessions (
  sid bigint generated always as identity primary key,
  -- The number of the last change.
  seq bigint not null,
  revision bigint not null,
  checkpoint_us bigint not null,
  -- checkpoint_us in whole minutes, for lists: an index on every change would make no update HOT.
  active_min bigint not null,
  processed int not null,
  pending int not null,
  -- Of the journal's rows after base_seq.
  log_bytes bigint not null default 0,
  -- The document in \`documents\` is as of this change.
  base_seq bigint not null,
  -- The last change of \`frame\`, or of what is derived from it.
  frame_seq bigint not null,
  bytes bigint not null,
  created_us bigint not null,
  removed_us bigint,
  pinned boolean not null,
  id text collate "C" not null,
  status text collate "C" not null,
  -- As a document wrote it; null if it is checkpoint_us in the usual form.
  checkpoint_text text collate "C",
  -- The document's JSON, its keys in order, with empty lists and results in their places.
  frame bytea not null,
  -- JSON: what else a summary has.
  facts bytea not null,
  labels text[] collate "C" not null,
  search text collate "C" not null,
  removed_reason text collate "C",
  trash_id text collate "C"
) with (fillfactor = 50);
alter table sessiond.sessions alter column search set statistics 300;
create unique index sessions_id on sessiond.sessions (id) where removed_us is null;
create index sessions_trash on sessiond.sessions (id, removed_us desc) where removed_us is not null;
create unique index sessions_trash_id on sessiond.sessions (trash_id) where trash_id is not null;
create index sessions_status on sessiond.sessions (status, active_min desc) where removed_us is null;
create index sessions_active on sessiond.sessions (active_min desc) where removed_us is null;
create index sessions_created on sessiond.sessions (created_us desc, id) where removed_us is null;
create index sessions_pinned on sessiond.sessions (active_min desc) where removed_us is null and pinned;
create index sessions_removed on sessiond.sessions (removed_us) where removed_us is not null;
create index sessions_labels on sessiond.sessions using gin (labels);
`;

/** The lists, results and claims of a document as one JSON text, cut anywhere into parts of up to 1 MiB. */
const documents = `
create table sessiond.documents (
  sid bigint not null,
  part int not null,
  data bytea not null,
  primary key (sid, part)
);
alter table sessiond.documents alter column data set storage external;
`;

/**
 * What was appended to a session since its document was written: reports (r), claims (c), give-backs (g).
 * It is not analyzed: it is read by its key alone, and as long as its analysis lasts no earlier version of a
 * session can be cleaned from its page, so that updates are not HOT.
 */
const journal = `
create table sessiond.journal (
  sid bigint not null,
  seq bigint not null,
  kind "char" not null,
  revision bigint not null,
  at_us bigint not null,
  data bytea not null,
  primary key (sid, seq)
) with (autovacuum_analyze_threshold = 2000000000);
`;

/**
 * What others are to hear of. A statement that appends to journals writes one row of \`batches\` for all of
 * its sessions, because a row for each would cost as much as the report. Any other change writes a row of
 * \`changes\`. The view \`all_changes\` shows both as one row per session and change. Rows are kept for an
 * hour.
 */
const changes = `
create table sessiond.changes (
  tx xid8 not null default pg_current_xact_id(),
  sid bigint not null,
  id text collate "C" not null,
  seq bigint not null,
  -- n new, f frame, d document, x removed, t back from the trash, l leases
  kind "char" not null,
  origin uuid not null,
  op uuid not null,
  at timestamptz not null default now(),
  -- The summary before, as JSON (f, d, x).
  before bytea,
  -- JSON: what became of leases or of a removed session.
  detail bytea
);
create index changes_tx on sessiond.changes (tx);
create index changes_op on sessiond.changes (op);
create index changes_at on sessiond.changes using brin (at);

create table sessiond.batches (
  tx xid8 not null default pg_current_xact_id(),
  origin uuid not null,
  op uuid not null,
  at timestamptz not null default now(),
  -- One element for each session. All but seqs are as they were before.
  sids bigint[] not null,
  seqs bigint[] not null,
  seqs_before bigint[] not null,
  revisions bigint[] not null,
  processed int[] not null,
  pending int[] not null,
  checkpoints_us bigint[] not null,
  checkpoints_text text[] collate "C" not null
);
create index batches_tx on sessiond.batches (tx);
create index batches_op on sessiond.batches (op);
create index batches_at on sessiond.batches using brin (at);

create view sessiond.all_changes as
  select tx, sid, id, null::bigint as seq_before, seq, kind, origin, op, at,
    null::bigint as revision, null::int as processed, null::int as pending,
    null::bigint as checkpoint_us, null::text as checkpoint_text, before, detail
  from sessiond.changes
  union all
  select b.tx, s.sid, null, s.seq_before, s.seq, 'r'::"char", b.origin, b.op, b.at,
    s.revision, s.processed, s.pending, s.checkpoint_us, s.checkpoint_text, null::bytea, null::bytea
  from sessiond.batches b, unnest(b.sids, b.seqs_before, b.seqs, b.revisions, b.processed, b.pending,
    b.checkpoints_us, b.checkpoints_text)
    as s(sid, seq_before, seq, revision, processed, pending, checkpoint_us, checkpoint_text);
`;

/** Text of users in \`leases\` is written by \`names.ts\`. An epoch is higher than all before. */
const leases = `
create table sessiond.leases (
  epoch bigint primary key,
  sid bigint not null,
  lease_id bigint not null,
  session_id text collate "C" not null,
  shared boolean not null,
  worker text collate "C",
  process text collate "C",
  host text collate "C",
  host_id text collate "C" not null,
  since_us bigint not null,
  generation text collate "C",
  token_hash bytea,
  -- How many files it has claimed.
  claimed int not null default 0
);
create index leases_sid on sessiond.leases (sid);
create index leases_host on sessiond.leases (host_id);
do $$ begin
  execute format('create sequence sessiond.epochs start %s', floor(extract(epoch from clock_timestamp()) * 1000));
end $$;
create table sessiond.hosts (
  host_id text collate "C" primary key,
  run uuid not null,
  name text collate "C",
  heartbeat timestamptz not null,
  lease_ttl_ms bigint not null,
  version text collate "C"
);
`;

const others = `
create table sessiond.backups (
  session_id text collate "C" not null,
  name text collate "C" not null,
  at_us bigint not null,
  bytes bigint not null,
  part int not null,
  data bytea not null,
  primary key (session_id, name, part)
);
alter table sessiond.backups alter column data set storage external;

-- The last revision of a session that is gone, so that none is given out twice.
create table sessiond.past (
  id text collate "C" primary key,
  revision bigint not null,
  at timestamptz not null default now()
);
create index past_at on sessiond.past (at);

create table sessiond.records (
  name text collate "C" primary key,
  value bytea not null
);
create table sessiond.entries (
  name text collate "C" not null,
  n bigint generated always as identity,
  entry bytea not null,
  primary key (name, n)
);

create table sessiond.slots (
  job text collate "C" not null,
  slot timestamptz not null,
  owner text collate "C" not null,
  run uuid,
  heartbeat timestamptz not null,
  ended timestamptz,
  primary key (job, slot)
);

-- Rows are only added, by triggers on sessions, and summed up now and then.
create table sessiond.counts (
  status text collate "C" not null,
  n bigint not null
);
`;

export const tablesSql = [sessions, documents, journal, changes, leases, others].join("");
