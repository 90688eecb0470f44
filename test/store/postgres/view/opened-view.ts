/** The view of an empty database, and rows in it that no log wrote. */
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { SessionSummary } from "../../../../src/session/session.ts";
import type { Database, Queryable } from "../../../../src/store/postgres/connection/database.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import { toText } from "../../../../src/store/postgres/schema/names.ts";
import { SessionView } from "../../../../src/store/postgres/view/session-view.ts";
import { columnsOf } from "../../../../src/store/postgres/view/summary-row.ts";
import { testDatabase } from "../../../support/postgres/database.ts";

export interface OpenedView {
  database: Database;
  view: SessionView;
  url: string;
}

/** Closed, and the database deleted, when the test ends. `now`: the time by which sessions have an age. */
export async function openedView(now = Date.parse("2026-06-01T00:00:00Z") * 1000): Promise<OpenedView> {
  const { url } = await testDatabase();
  const database = await openDatabase(
    { url, leaseTtlMs: 15_000, durability: "trust" },
    { logger: pino({ enabled: false }) },
  );
  onTestFinished(() => database.close());
  await migrate(database);
  return { database, view: new SessionView(database, { now: () => now }), url };
}

export async function writeRow(to: Queryable, summary: SessionSummary): Promise<void> {
  const columns = Object.entries(columnsOf(summary));
  const names = columns.map(([name]) => name);
  const values = columns.map((_, at) => `$${at + 1}`);
  await to.query(
    `insert into sessiond.sessions (seq, base_seq, frame_seq, frame, ${names}) values (1, 1, 1, '', ${values})
     on conflict (id) where removed_us is null do update set (${names}) = row (${values})`,
    columns.map(([, value]) => value),
  );
}

export async function removeRow(from: Queryable, id: string, trashId: string): Promise<void> {
  await from.query(
    `update sessiond.sessions set removed_us = 1, removed_reason = 'test', trash_id = $2
     where id = $1 and removed_us is null`,
    [toText(id), trashId],
  );
}
