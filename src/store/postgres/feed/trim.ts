/** Deletes what every daemon has looked at, or has given up. */
import type { Database } from "../connection/database.ts";

const rowsAtOnce = 5000;

/**
 * Deletes changes that are older than this. Does nothing while another host does it. Resolves with the number
 * of rows that were deleted.
 */
export async function trim(database: Database, keptMs: number): Promise<number> {
  let deleted = 0;
  for (let count = rowsAtOnce; count >= rowsAtOnce; deleted += count) {
    count = await database.transaction(async (tx) => {
      // The lock is that of a row that nobody else locks. It ends with the transaction.
      const mine = await tx.query("select 1 from sessiond.meta for no key update skip locked");
      if (mine.length === 0) return 0;
      let rows = 0;
      for (const table of ["changes", "batches"]) {
        const [done] = await tx.query<{ n: number }>(
          `with old as (
             select ctid from sessiond.${table}
             where at < now() - make_interval(secs => $1::float8) limit ${rowsAtOnce}
           ), gone as (
             delete from sessiond.${table} where ctid = any(array(select ctid from old)) returning 1
           ) select count(*) as n from gone`,
          [keptMs / 1000],
        );
        rows += done?.n ?? 0;
      }
      return rows;
    });
  }
  return deleted;
}
