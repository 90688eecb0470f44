/** Databases of a test's own in the PostgreSQL that all test files share. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject, onTestFinished } from "vitest";
import { type Address, urlOf } from "./cluster.ts";

/** For `describe.skipIf` and `test.skipIf`: there is no PostgreSQL here. */
export const withoutPostgres = (): boolean => inject("postgres") === undefined;

export interface TestDatabase {
  readonly name: string;
  /** Over the Unix socket, as the superuser. */
  readonly url: string;
  /** One statement, as the superuser, on a connection of its own. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Deletes it, and ends the connections that are left. */
  drop(): Promise<void>;
}

/** Where the shared PostgreSQL listens. @throws if there is none */
export function sharedPostgres(): Address {
  const address = inject("postgres");
  if (address === undefined) throw new Error(`there is no PostgreSQL: ${inject("postgresProblem")}`);
  return address;
}

/** Text is ordered as in a language, not by its bytes: a statement that needs an order must say which. */
const asUsersHaveIt = "template template0 locale_provider icu icu_locale 'en-US'";

/** A new, empty database. Its caller drops it. */
export async function createDatabase(server: Address = sharedPostgres()): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  await statement(server, "postgres", `create database ${name} ${asUsersHaveIt}`);
  return {
    name,
    url: urlOf(server, name),
    query: (text, values) => statement(server, name, text, values),
    drop: async () => void (await statement(server, "postgres", `drop database ${name} with (force)`)),
  };
}

/** A new, empty database that is gone when the test ends. */
export async function testDatabase(server?: Address): Promise<TestDatabase> {
  const database = await createDatabase(server);
  onTestFinished(() => database.drop());
  return database;
}

async function statement(
  { host, port }: Address,
  database: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ host, port, user: "postgres", database });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
