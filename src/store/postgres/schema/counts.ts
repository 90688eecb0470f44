/**
 * How many sessions there are of each status: triggers on `sessions` that append differences to `counts`. The
 * sum of its rows is exact at every moment, and no transaction waits for another one.
 */

/**
 * A report names neither `status` nor `removed_us` in its update, and so costs nothing here. About every
 * hundredth change replaces the rows by their sums. It leaves out rows that another transaction is about to
 * replace.
 */
export const countsSql = `
create function sessiond.fold_counts() returns void language sql as $$
  with folded as (
    delete from sessiond.counts where ctid = any (array(
      select ctid from sessiond.counts for update skip locked
    )) returning status, n
  )
  insert into sessiond.counts (status, n)
    select status, sum(n) from folded group by status having sum(n) <> 0;
$$;

create function sessiond.count_sessions() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into sessiond.counts (status, n)
      select status, count(*) from changed where removed_us is null group by status;
  elsif tg_op = 'DELETE' then
    insert into sessiond.counts (status, n)
      select status, -count(*) from changed where removed_us is null group by status;
  else
    insert into sessiond.counts (status, n)
      select old.status, -1 where old.removed_us is null
      union all select new.status, 1 where new.removed_us is null;
  end if;
  if random() < 0.01 then perform sessiond.fold_counts(); end if;
  return null;
end $$;

create trigger count_inserted after insert on sessiond.sessions
  referencing new table as changed for each statement execute function sessiond.count_sessions();
create trigger count_deleted after delete on sessiond.sessions
  referencing old table as changed for each statement execute function sessiond.count_sessions();
create trigger count_updated after update of status, removed_us on sessiond.sessions
  for each row when (old.status <> new.status or (old.removed_us is null) <> (new.removed_us is null))
  execute function sessiond.count_sessions();
`;
