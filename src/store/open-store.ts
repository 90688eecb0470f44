/** Picks the backend that keeps the sessions. The one place that knows which backends there are. */
import type { Logger } from "../log.ts";
import type { Clock } from "../time/clock.ts";
import { type DirectoryStorage, openDirectoryStore } from "./directory/directory-store.ts";
import type { PostgresStorage } from "./postgres/options.ts";
import type { SessionStore } from "./session-store.ts";

/** Where sessions are kept, and how. */
export type Storage = DirectoryStorage | PostgresStorage;

export interface OpenStoreOptions {
  storage: Storage;
  /**
   * What tells this daemon from others of the machine, and stays the same when it starts anew: the path of
   * its socket.
   */
  instance?: string | undefined;
  clock: Clock;
  logger: Logger;
}

/**
 * @throws SessiondError `directory_locked`, `directory_too_new`, `storage_full`, `storage_failed`,
 *   `storage_unsafe`, `storage_too_new`
 */
export async function openStore(options: OpenStoreOptions): Promise<SessionStore> {
  const { storage, instance, clock, logger } = options;
  if (storage.kind !== "postgres") return openDirectoryStore({ ...storage, clock, logger });
  // Whoever keeps sessions in a directory need not load what speaks to PostgreSQL.
  const { openPostgresStore } = await import("./postgres/postgres-store.ts");
  return openPostgresStore({ storage, instance, logger });
}

/**
 * Looks whether the storage could be opened, and changes nothing. Resolves to a line about it, if there is
 * anything to say: a directory is only looked at when it is opened.
 *
 * @throws SessiondError as {@link openStore}, and `storage_unavailable` if a database is away
 */
export async function checkStorage(storage: Storage, logger: Logger): Promise<string | undefined> {
  if (storage.kind === "directory") return undefined;
  const { checkPostgresStorage } = await import("./postgres/check-storage.ts");
  return checkPostgresStorage(storage, logger);
}
