/** Picks the backend that keeps the sessions. The one place that knows which backends there are. */
import { SessiondError } from "../error.ts";
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
   * What tells this daemon from others of the machine, and stays the same when it starts anew: the path of its
   * socket.
   */
  instance?: string | undefined;
  clock: Clock;
  logger: Logger;
}

/** @throws SessiondError `directory_locked`, `directory_too_new`, `storage_full`, `storage_failed` */
export async function openStore({ storage, instance, ...rest }: OpenStoreOptions): Promise<SessionStore> {
  if (storage.kind === "postgres") {
    // Replaced as soon as there is the store.
    throw new SessiondError("not_supported", "sessions cannot be kept in PostgreSQL yet");
  }
  return openDirectoryStore({ ...storage, ...rest });
}
