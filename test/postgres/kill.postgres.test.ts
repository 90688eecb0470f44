import { expect, test } from "vitest";
import { withoutPostgres } from "../support/postgres/database.ts";
import { killRounds } from "./kill-rounds.ts";

// More rounds are in test/long.
test.skipIf(withoutPostgres())(
  "kills of daemons, workers, database and connections lose nothing",
  async () => {
    const { acknowledged } = await killRounds(5);
    // Else nothing was shown.
    expect(acknowledged).toBeGreaterThan(100);
  },
  120_000,
);
