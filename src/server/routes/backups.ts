/** The handlers for backups. */
import type { SessionStore } from "../../store/session-store.ts";
import type { Handlers } from "../http/handler.ts";

export function backupHandlers(store: SessionStore) {
  return {
    createBackup: ({ params, body }) => store.backup(params.id, body?.directory),
    listBackups: async ({ params }) => ({ backups: await store.listBackups(params.id) }),
    restoreBackup: ({ params, body }) => store.restoreBackup(params.id, body.backup),
  } satisfies Partial<Handlers>;
}
