/**
 * Databases with no session in them, for stores that tests open. To make one takes longer than most tests, so
 * a database whose store was closed is emptied, and serves again.
 */
import { afterAll } from "vitest";
import { createDatabase, type TestDatabase } from "../../support/postgres/database.ts";

export class CleanDatabases {
  readonly #all: TestDatabase[] = [];
  readonly #free: TestDatabase[] = [];

  /** To be made where tests are declared: when they have ended, the databases go. */
  constructor() {
    afterAll(async () => {
      for (const database of this.#all) await database.drop();
    });
  }

  async take(): Promise<TestDatabase> {
    const used = this.#free.pop();
    if (used !== undefined) return used;
    const database = await createDatabase();
    this.#all.push(database);
    return database;
  }

  async giveBack(database: TestDatabase): Promise<void> {
    await database.query(emptying);
    this.#free.push(database);
  }
}

/**
 * First ends the connections that are left, so that nothing is written later. The counters are emptied last,
 * because they count what is deleted.
 */
const emptying = `
do $$
declare name text;
begin
  perform pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  for name in select tablename from pg_tables where schemaname = 'sessiond' and tablename <> 'meta'
    order by tablename = 'counts'
  loop
    execute format('delete from sessiond.%I', name);
  end loop;
end $$`;
