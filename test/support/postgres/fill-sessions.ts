/**
 * Very many sessions at once, for measurements: as daemons would have left them, but made in SQL. Of a
 * hundred sessions 90 are completed, 5 failed, 4 paused and one is running. The last activity of a running
 * session was within the hour, that of any other within 90 days. Of a thousand sessions one is pinned.
 */

/**
 * SQL that adds `count` sessions, named `filled-1` and so on, to be run on one connection. Each has a label
 * `team` (one of 20) and a label `order` (100 sessions), and a project in its path (1,000 sessions). Indexes
 * are dropped meanwhile. The tables are not analyzed afterwards.
 */
export const fillSql = (count: number): string => `
begin;
create temp table dropped on commit drop as
  select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where i.indrelid = 'sessiond.sessions'::regclass and not i.indisprimary;
do $$ declare one record; begin
  for one in select name from dropped loop execute 'drop index sessiond.' || one.name; end loop;
end $$;
${made(count)};
insert into sessiond.documents (sid, part, data)
  select sid, 0, convert_to(format('{"processed_files":["a","b","c"],"pending_files":%s,"partial_results":{},'
    '"claims":[]}', case pending when 0 then '[]' else '["d","e"]' end), 'UTF8')
  from sessiond.sessions where id like 'filled-%';
do $$ declare one record; begin
  for one in select definition from dropped loop execute one.definition; end loop;
end $$;
commit;`;

const made = (count: number): string => `
with numbered as (
  select n, (extract(epoch from now()) * 1000000)::bigint as now_us,
    case when n % 100 < 90 then 'completed' when n % 100 < 95 then 'failed' when n % 100 < 99 then 'paused'
      else 'running' end as status
  from generate_series(1, ${count}) as n
), dated as (
  select *, now_us - (random() * case status when 'running' then 1 else 90 * 24 end * 3600e6)::bigint as at_us
  from numbered
), described as (
  select n, status, at_us, at_us - (random() * 7200e6)::bigint as created_us, 'filled-' || n as id,
    '/data/project-' || n / 1000 || '/src' as path, hashint8(n) % 1000 = 0 as pinned, 'team-' || n / 100 % 20 as team,
    'order-' || n / 100 as "order", case status when 'failed' then 'no room left on disk ' || n / 100 % 50 end as reason
  from dated
), facts as (
  select *, json_build_object('status_reason', reason, 'target_path', path, 'created_time', ${timeOf("created_us")},
    'generation', md5(id), 'labels', json_build_object('team', team, 'order', "order"), 'pinned', pinned) as facts
  from described
)
insert into sessiond.sessions (seq, base_seq, frame_seq, revision, status, checkpoint_us, active_min, created_us,
  id, frame, facts, pinned, labels, search, processed, pending, bytes)
select 1, 1, 1, 7, status, at_us, at_us / 60000000, created_us, id,
  convert_to(json_build_object('session_id', id, 'status', status, 'config', json_build_object('target_path', path),
    'processed_files', json_build_array(), 'pending_files', json_build_array(),
    'partial_results', json_build_object(), 'checkpoint_time', ${timeOf("at_us")},
    'created_time', ${timeOf("created_us")}, 'generation', md5(id), 'revision', 7,
    'labels', json_build_object('team', team, 'order', "order"), 'pinned', pinned, 'status_reason', reason)::text,
    'UTF8'),
  convert_to(facts::text, 'UTF8'), pinned,
  array[format('["team","%s"]', team), format('["order","%s"]', "order")],
  concat_ws(U&'\\E000\\E000', id, path, coalesce(reason, '')), 3,
  case status when 'completed' then 0 else 2 end, 700
from facts`;

/** The time in a column, as a document has it. */
const timeOf = (column: string): string =>
  `to_char(timestamp 'epoch' + ${column} * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
