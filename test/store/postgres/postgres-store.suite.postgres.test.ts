/** The store in PostgreSQL is a store. */
import { describe } from "vitest";
import { sharedPostgres, withoutPostgres } from "../../support/postgres/database.ts";
import { storeSuite } from "../suite/store-suite.ts";
import { openOver } from "./open-over.ts";

describe.skipIf(withoutPostgres())("PostgreSQL", () => {
  storeSuite("a store in PostgreSQL", openOver(sharedPostgres));
});
