/** Opens the database of a test, and closes it when the test ends. */
import { onTestFinished } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import type { Database, DatabaseOptions } from "../../../../src/store/postgres/connection/database.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";

/** Heartbeats are quick, so that tests see an outage soon. */
export const leaseTtlMs = 2000;

export async function opened(
  url: string,
  options: Partial<DatabaseOptions> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<Database> {
  const all = { url, leaseTtlMs, durability: "check", ...options } as const;
  const database = await openDatabase(all, { logger: silentLogger, env });
  onTestFinished(() => database.close());
  return database;
}

/** The error of what must fail. */
export async function failure(attempt: Promise<unknown>): Promise<Error> {
  return attempt.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: Error) => error,
  );
}
