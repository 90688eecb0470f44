/** Deletes what every daemon has looked at, or has given up, and the revisions of what is long gone. */
import type { Database } from "../connection/database.ts";

const rowsAtOnce = 5000;
/** The last revision of an id that is deleted for good is remembered for so many days. */
const pastDays = 30;

/**
 * Deletes changes that are older than this, but none while another host does so, and revisions of sessions
 * that were deleted for good a month ago. Resolves with the number of rows that were deleted.
 */
export async function trim(database: Database, keptMs: number): Promise<number> {
  const changes =
    (await trimTable(database, "changes", keptMs)) + (await trimTable(database, "batches", keptMs));
  return changes + (await trimPast(database));
}

/** At most {@link rowsAtOnce} of them. Waits for nobody: what is locked is written again at this moment. */
async function trimPast(database: Database): Promise<number> {
  const [done] = await database.query<{ n: number }>(
    `with old as (
       select id from sessiond.past where at < now() - make_interval(days => ${pastDays})
       order by at limit ${rowsAtOnce} for update skip locked
     ), gone as (
       delete from sessiond.past using old where past.id = old.id returning 1
     ) select count(*) as n from gone`,
  );
  return done?.n ?? 0;
}

async function trimTable(database: Database, table: "changes" | "batches", keptMs: number): Promise<number> {
  const old = "at < now() - make_interval(secs => $1::float8)";
  // What is old comes first in the order of tx. So each statement reads only what it deletes.
  const [first] = await database.query<{ tx: string }>(
    `select tx::text from sessiond.${table} where not (${old}) order by tx limit 1`,
    [keptMs / 1000],
  );
  let deleted = 0;
  for (let count = rowsAtOnce; count >= rowsAtOnce; deleted += count) {
    count = await database.transaction(async (tx) => {
      // The lock is that of a row that nobody else locks. It ends with the transaction.
      const mine = await tx.query("select 1 from sessiond.meta for no key update skip locked");
      if (mine.length === 0) return 0;
      const [done] = await tx.query<{ n: number }>(
        `with old as (
           select ctid from sessiond.${table} where ${old} and tx < $2::text::xid8 order by tx limit ${rowsAtOnce}
         ), gone as (
           delete from sessiond.${table} where ctid = any(array(select ctid from old)) returning 1
         ) select count(*) as n from gone`,
        [keptMs / 1000, first?.tx ?? highestTx],
      );
      return done?.n ?? 0;
    });
  }
  return deleted;
}

const highestTx = `${2n ** 64n - 1n}`;
