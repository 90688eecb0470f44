/** The handlers for the trash. */
import type { Cleanup } from "../../retention/cleanup.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Handlers } from "../http/handler.ts";

export function trashHandlers(store: SessionStore, cleanup: Cleanup) {
  return {
    listTrash: () => store.listTrash(),

    restoreTrash: async ({ params, body, tag }) => {
      const summary = await store.restoreTrash(params.id, body?.trash_id);
      tag(summary);
      return summary;
    },

    emptyTrash: async ({ query }) => {
      if ((query.older_than ?? 0) > 0) await cleanup.assertAgesKnown("trash");
      const { removed, bytes } = await store.emptyTrash(query.older_than);
      return { removed, bytes };
    },
  } satisfies Partial<Handlers>;
}
