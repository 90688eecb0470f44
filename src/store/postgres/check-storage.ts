/** Looks whether sessions can be kept in the database of a configuration. Changes nothing in it. */
import type { Logger } from "../../log.ts";
import { checkListenUrl, openDatabase } from "./connection/open-database.ts";
import type { PostgresStorage } from "./options.ts";
import { checkSchema } from "./schema/migrate.ts";

/**
 * Resolves to a line about the database, for people.
 *
 * @throws SessiondError `storage_unavailable` if it is away; `storage_unsafe`, `storage_too_new`, and
 *   `invalid_request` for what somebody has to mend
 */
export async function checkPostgresStorage(storage: PostgresStorage, logger: Logger): Promise<string> {
  const database = await openDatabase(storage, { logger });
  try {
    await checkSchema(database);
    await checkListenUrl(storage);
    const { location, durable, server_version } = database.facts();
    return `${location} can be used: PostgreSQL ${server_version}, durable: ${durable}`;
  } finally {
    await database.close();
  }
}
