/**
 * Creates the tables, or brings them to the version of this program. The first daemon to come does it; others
 * that come at the same time wait for it. Versions go forwards only.
 */
import { randomUUID } from "node:crypto";
import { SessiondError } from "../../../error.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { sqlState } from "../connection/failure.ts";
import { countsSql } from "./counts.ts";
import { tablesSql } from "./tables.ts";

export interface Schema {
  /** Tells this store from any other. */
  storeId: string;
  /** Whether text is searched for with an index. */
  hasTextIndex: boolean;
}

type Migration = (tx: Queryable) => Promise<void>;

/** What makes each version from the one before. */
const migrations: readonly Migration[] = [
  async (tx) => {
    await tx.query(tablesSql);
    await tx.query(countsSql);
    await addTextIndex(tx);
  },
];

/** How often the schema and its first table are tried to be made while others make them, too. */
const attempts = 10;

/**
 * Resolves when the tables are as this program needs them.
 *
 * @throws SessiondError `storage_too_new`, `storage_unsafe`
 */
export async function migrate(database: Database): Promise<Schema> {
  await assertUtf8(database);
  for (let attempt = 1; !(await hasMeta(database)); attempt++) await createMeta(database, attempt);
  const known = await readMeta(database);
  if (known?.version !== migrations.length) await database.transaction(bringUpToDate);
  const [meta] = await database.query<{ store_id: string }>("select store_id from sessiond.meta");
  const [index] = await database.query("select to_regclass('sessiond.sessions_search') as found");
  const { found } = index as { found: string | null };
  return { storeId: (meta as { store_id: string }).store_id, hasTextIndex: found !== null };
}

/**
 * Looks whether {@link migrate} could do its work, and changes nothing.
 *
 * @throws SessiondError `storage_too_new`, `invalid_request` if the role may not make the tables
 */
export async function checkSchema(database: Queryable): Promise<void> {
  if (await hasMeta(database)) return void (await readMeta(database));
  const [row] = await database.query<{ may: boolean }>(
    `select case when to_regnamespace('sessiond') is null
       then has_database_privilege(current_database(), 'create')
       else has_schema_privilege('sessiond', 'create') end as may`,
  );
  if (row?.may !== true) throw mayNotCreate();
}

function mayNotCreate(): SessiondError {
  return new SessiondError(
    "invalid_request",
    "storage.postgres: its user may not create tables: grant it CREATE on the database, " +
      "or make it the owner of the schema sessiond",
  );
}

/**
 * The lock is that of the table, because one on a row would let two daemons write the first row. It lasts
 * until the transaction ends, however it ends.
 */
async function bringUpToDate(tx: Queryable): Promise<void> {
  await tx.query("lock table sessiond.meta in access exclusive mode");
  const known = await readMeta(tx);
  const from = known?.version ?? 0;
  assertNotNewer(from);
  for (const migration of migrations.slice(from)) await migration(tx);
  if (known === undefined)
    await tx.query("insert into sessiond.meta (version, store_id) values ($1, $2)", [
      migrations.length,
      randomUUID(),
    ]);
  else await tx.query("update sessiond.meta set version = $1", [migrations.length]);
}

async function readMeta(queryable: Queryable): Promise<{ version: number } | undefined> {
  const [row] = await queryable.query<{ version: number }>("select version from sessiond.meta");
  if (row !== undefined) assertNotNewer(row.version);
  return row;
}

function assertNotNewer(version: number): void {
  if (version <= migrations.length) return;
  throw new SessiondError(
    "storage_too_new",
    `the tables in the database are of version ${version}, and this program knows up to ` +
      `${migrations.length}; install the version of sessiond that the other daemons have`,
  );
}

async function hasMeta(database: Queryable): Promise<boolean> {
  const [row] = await database.query<{ meta: string | null }>(
    "select to_regclass('sessiond.meta')::text as meta",
  );
  return row?.meta != null;
}

/** Not asked for if they are there, because that needs a right that a careful operator does not give. */
async function createMeta(database: Database, attempt: number): Promise<void> {
  try {
    await database.transaction(async (tx) => {
      // An operator may have made it for a role that must make no other.
      const [row] = await tx.query<{ is_there: boolean }>(
        "select to_regnamespace('sessiond') is not null as is_there",
      );
      if (row?.is_there !== true) await tx.query("create schema if not exists sessiond");
      await tx.query(
        "create table if not exists sessiond.meta (version int not null, store_id text not null)",
      );
    });
  } catch (error) {
    // `if not exists` fails if somebody else makes the same thing at the same time.
    if (sqlState(error) === insufficientPrivilege) throw mayNotCreate();
    if (attempt === attempts || !madeMeanwhile.has(sqlState(error) ?? "")) throw error;
  }
}

const insufficientPrivilege = "42501";

/** unique_violation of a catalog, duplicate_schema, duplicate_table, duplicate_object */
const madeMeanwhile: ReadonlySet<string> = new Set(["23505", "42P06", "42P07", "42710"]);

/** Where the extension cannot be had, searching for text looks at every row. */
async function addTextIndex(tx: Queryable): Promise<void> {
  await tx.query("savepoint text_index");
  try {
    await tx.query("create extension if not exists pg_trgm");
    const [extension] = await tx.query<{ schema: string }>(
      `select quote_ident(n.nspname) as schema from pg_extension e
        join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`,
    );
    await tx.query(
      `create index sessions_search on sessiond.sessions using gin (search ${extension?.schema}.gin_trgm_ops)`,
    );
  } catch (error) {
    if (sqlState(error) === undefined) throw error;
    await tx.query("rollback to savepoint text_index");
  }
}

async function assertUtf8(database: Queryable): Promise<void> {
  const [row] = await database.query<{ server_encoding: string }>("show server_encoding");
  const encoding = row?.server_encoding;
  if (encoding === "UTF8") return;
  const message = `the database is encoded in ${encoding}; create one with the encoding UTF8`;
  throw new SessiondError("storage_unsafe", message);
}
