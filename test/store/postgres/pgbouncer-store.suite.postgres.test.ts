/**
 * The store in PostgreSQL is a store also through PgBouncer in transaction mode, where no notification comes:
 * each statement may be on another connection to the server.
 */
import { afterAll, beforeAll, describe } from "vitest";
import { sharedPostgres, withoutPostgres } from "../../support/postgres/database.ts";
import { type PgBouncer, startPgBouncer } from "../../support/postgres/pgbouncer.ts";
import { storeSuite } from "../suite/store-suite.ts";
import { openOver } from "./open-over.ts";

describe.skipIf(withoutPostgres())("PgBouncer", () => {
  let pool: PgBouncer;
  beforeAll(async () => {
    pool = await startPgBouncer(sharedPostgres());
  });
  afterAll(() => pool.stop());

  storeSuite(
    "a store behind PgBouncer",
    openOver(() => pool),
  );
});
