/** What is deleted of the changes that hosts are told of. */
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import { look } from "../../../../src/store/postgres/feed/news.ts";
import { trim } from "../../../../src/store/postgres/feed/trim.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import { testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";

const keptMs = 60 * 60 * 1000;

async function open() {
  const { url, query } = await testDatabase();
  const database = await openDatabase(
    { url, leaseTtlMs: 2000, durability: "trust" },
    { logger: silentLogger },
  );
  onTestFinished(() => database.close());
  await migrate(database);
  return { database, query };
}

const fill = (count: number, minutesAgo: number) => `
  insert into sessiond.batches (tx, origin, op, at, sids, seqs, seqs_before, revisions, processed, pending,
    checkpoints_us, checkpoints_text)
  select '${500 - minutesAgo}'::xid8, gen_random_uuid(), gen_random_uuid(), now() - interval '${minutesAgo} min',
    '{1}', '{1}', '{0}', '{1}', '{1}', '{1}', '{1}', '{null}' from generate_series(1, ${count})`;

describe.skipIf(withoutPostgres())("old changes", () => {
  test("are deleted, however many, and no others", async () => {
    const { database, query } = await open();
    await query(fill(12_000, 90));
    await query(fill(3, 59));
    expect(await trim(database, keptMs)).toBe(12_000);
    expect(await trim(database, keptMs)).toBe(0);
    expect(await query("select count(*)::int as n from sessiond.batches")).toEqual([{ n: 3 }]);
    await query("update sessiond.batches set at = now() - interval '2 hours'");
    expect(await trim(database, keptMs)).toBe(3);
  });

  test("and revisions of sessions that were deleted for good a month ago, and no others", async () => {
    const { database, query } = await open();
    await query(
      `insert into sessiond.past (id, revision, at)
       select 'old-' || n, 7, now() - interval '31 days' from generate_series(1, 3) as n
       union all select 'kept', 7, now() - interval '29 days'`,
    );
    expect(await trim(database, keptMs)).toBe(3);
    expect(await query("select id from sessiond.past")).toEqual([{ id: "kept" }]);
  });

  test("are left alone while another host deletes some", async () => {
    const { database, query } = await open();
    await query(fill(10, 90));
    const deleted = await database.transaction(async (tx) => {
      await tx.query("select 1 from sessiond.meta for no key update");
      return trim(database, keptMs);
    });
    expect(deleted).toBe(0);
    expect(await trim(database, keptMs)).toBe(10);
  });

  test("a database that is in an earlier state than it was has no news", async () => {
    const { database } = await open();
    const later = `${10n ** 15n}`;
    expect(await look(database, `${later}:${later}:`, crypto.randomUUID())).toBeUndefined();
  });
});
