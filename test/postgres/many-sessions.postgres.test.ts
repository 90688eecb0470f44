/**
 * What lists and reports cost where there are very many sessions, in pages of the database and not in time.
 */
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../src/log.ts";
import { parseSessionId } from "../../src/session/session-id.ts";
import { openDatabase } from "../../src/store/postgres/connection/open-database.ts";
import { report } from "../../src/store/postgres/log/report.ts";
import { migrate } from "../../src/store/postgres/schema/migrate.ts";
import {
  gatherStatement,
  isCounted,
  type Listing,
  walkStatement,
} from "../../src/store/postgres/view/list-statement.ts";
import { SessionView } from "../../src/store/postgres/view/session-view.ts";
import type { ListQuery } from "../../src/store/session-store.ts";
import { logOn } from "../store/postgres/log/opened-log.ts";
import { eventually } from "../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../support/postgres/database.ts";
import { fillSql } from "../support/postgres/fill-sessions.ts";
import { isLong } from "../support/runs.ts";

const count = isLong ? 1_000_000 : 30_000;
const now = Date.now() * 1000;
const day = 86_400_000;

/**
 * Pages of a table or an index that may be looked at for a page of 100 sessions. The table has many times
 * more.
 */
const few = 700;
/** With up to 10,000 sessions to be counted, one page for each. */
const counted = 12_000;

const lists: [ListQuery, number][] = [
  [{}, few],
  ...(["running", "paused", "completed", "failed"] as const).map((status): [ListQuery, number] => [
    { status: [status] },
    few,
  ]),
  [{ status: ["paused", "failed"] }, few],
  [{ sort: "created_time" }, few],
  [{ sort: "session_id" }, few],
  [{ label: [["order", "order-77"]] }, few],
  [{ label: [["team", "nobody"]] }, few],
  [{ q: "no such text" }, few],
  [{ q: "order of nothing", status: ["failed"] }, few],
  [{ older_than: 200 * day }, few],
  [{ pinned: true, status: ["running"] }, few],
  [{ label: [["team", "team-7"]] }, counted],
  [{ older_than: 30 * day }, counted],
];

interface Plan {
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
}

describe.skipIf(withoutPostgres())(`of ${count} sessions`, () => {
  test("a page looks at few of them, also far from the first, and a report writes no index", async () => {
    const { url, query } = await testDatabase();
    const database = await openDatabase(
      { url, leaseTtlMs: 15_000, durability: "trust" },
      { logger: silentLogger },
    );
    onTestFinished(() => database.close());
    await migrate(database);
    // While autovacuum looks at a table, old versions of rows stay, and leave no room for new ones.
    await query(`do $$ declare name text; begin
      for name in select tablename from pg_tables where schemaname = 'sessiond' loop
        execute format('alter table sessiond.%I set (autovacuum_enabled = false)', name);
      end loop;
    end $$`);
    await query(fillSql(count));
    // As autovacuum would within a minute.
    await query("vacuum analyze sessiond.sessions");
    const pagesOf = async (statement: { text: string; values: readonly unknown[] }) => {
      const explain = `explain (analyze, buffers, format json) ${statement.text}`;
      const [row] = await query(explain, [...statement.values]);
      const [{ Plan: plan }] = (row as { "QUERY PLAN": [{ Plan: Plan }] })["QUERY PLAN"];
      return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
    };
    const costs = async (list: ListQuery) => {
      const listing: Listing = { sort: "checkpoint_time", limit: 100, ...list, now };
      return pagesOf(isCounted(listing) ? walkStatement(listing) : gatherStatement(listing));
    };
    for (const [list, most] of lists) expect([list, await costs(list)]).toEqual([list, atMost(most)]);
    const view = new SessionView(database, { now: () => now });
    const deep = { status: ["completed" as const], cursor: cursorAt(now - 45 * day * 1000) };
    expect((await view.list(deep)).sessions).toHaveLength(100);
    expect(await costs(deep)).toEqual(atMost(few));
    expect(await view.stats()).toMatchObject({ total: count, completed: count * 0.9, running: count / 100 });

    // All reports come in the minute that begins next, however long they take.
    const minute = 60_000_000;
    let time = Math.ceil(database.clock.now() / minute) * minute;
    const { log } = logOn(database, undefined, { now: () => time++ });
    const { sessions } = await view.list({ status: ["running"], limit: 20 });
    for (let n = 0; n < 50; n++)
      await Promise.all(
        sessions.map(({ session_id }) =>
          report(log, parseSessionId(session_id), { processed: [`f${n}`] }, {}),
        ),
      );
    await log.close();
    // A row whose new version is beside the old one, with no entry in an index: but for the first report of a
    // minute, all of them.
    await eventually(async () => {
      const [row] = await query(`select n_tup_upd::int as updated, n_tup_hot_upd::int as beside
        from pg_stat_user_tables where relname = 'sessions'`);
      const { updated, beside } = row as { updated: number; beside: number };
      expect(updated).toBe(sessions.length * 50);
      expect(beside / updated).toBeGreaterThanOrEqual(0.95);
    });
  });
});

function atMost(most: number): unknown {
  return expect.toSatisfy((pages: number) => pages <= most, `at most ${most} pages`);
}

function cursorAt(at: number): string {
  return Buffer.from(JSON.stringify(["checkpoint_time", at, "s"])).toString("base64url");
}
