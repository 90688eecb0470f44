/**
 * The handlers for sessions: create, list, read, save, edit, delete, repair.
 *
 * The room server/routes/ owns the handlers, one for each row of the route table: from a checked request to
 * a call of the store. They know no HTTP beyond status and headers.
 */
import { summaryAndHealthOf, withWorkers } from "../../contract/from-summary.ts";
import type { Query } from "../../contract/routes.ts";
import { SessiondError } from "../../error.ts";
import { failedFiles } from "../../session/failed-file.ts";
import type { Session } from "../../session/session.ts";
import { generateSessionId, parseSessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { type Handlers, noBody } from "../http/handler.ts";
import { pageOf } from "../http/page.ts";
import { changeIf, isKnownToReader, saveIf } from "../http/precondition.ts";
import type { ListedWorkers } from "./workers.ts";

export function sessionHandlers(store: SessionStore, workers: ListedWorkers) {
  return {
    createSession: async ({ body, tag, header }) => {
      const { session, summary } = await store.create({
        ...body,
        session_id: body.session_id === undefined ? generateSessionId() : parseSessionId(body.session_id),
      });
      tag(summary);
      header("location", `/v1/sessions/${encodeURIComponent(session.session_id)}`);
      return session;
    },

    listSessions: async ({ query }) => {
      const { sessions, ...page } = await store.list(query);
      const known = await workers.among(sessions.map(({ session_id }) => session_id));
      return {
        sessions: sessions.map((summary) => withWorkers(summary, known.get(summary.session_id) ?? [])),
        ...page,
      };
    },

    getStats: () => store.stats(),

    getSession: async ({ method, params, preconditions, tag, status }) => {
      // The summary is enough for these, however large the document is.
      const { ifMatch, ifNoneMatch } = preconditions;
      if (method === "HEAD" || ifMatch !== undefined || ifNoneMatch !== undefined) {
        const summary = await store.summary(params.id);
        const isKnown = isKnownToReader(preconditions, summary);
        if (isKnown) status(304);
        if (isKnown || method === "HEAD") {
          tag(summary);
          return noBody;
        }
      }
      const { session, summary } = await store.read(params.id);
      tag(summary);
      // Somebody may have changed the session since the summary.
      if (isKnownToReader(preconditions, summary)) {
        status(304);
        return noBody;
      }
      return session;
    },

    getSummary: async ({ params, tag }) => {
      const validation = await store.validate(params.id);
      const summary = await store.summary(params.id);
      tag(summary);
      return summaryAndHealthOf(summary, validation, await workers.of(params.id));
    },

    listFiles: async ({ params, query }) => {
      const { session } = await store.read(params.id);
      const { items, ...page } = pageOf(await filesOf(session, query.state), query);
      return { files: items, ...page };
    },

    listResults: async ({ params, query }) => {
      const { session } = await store.read(params.id);
      const { partial_results } = session;
      const names = query.failed ? await failedFiles(session) : Object.keys(partial_results);
      const { items, ...page } = pageOf(names, query);
      return {
        results: Object.fromEntries(items.map((key) => [key, partial_results[key] ?? null])),
        ...page,
      };
    },

    saveSession: async ({ params, body, preconditions, tag, status }) => {
      if (body.session_id !== params.id) {
        const message = `must be "${params.id}", as in the path`;
        throw new SessiondError("invalid_request", `the body is not valid: session_id ${message}`, {
          issues: [{ path: "session_id", message }],
        });
      }
      const { summary, created } = await saveIf(store, params.id, preconditions, (conditions) =>
        store.save(body, conditions),
      );
      tag(summary);
      if (created) status(201);
      return summary;
    },

    editSession: async ({ params, body, preconditions, tag }) => {
      const { labels, pinned, run } = body;
      const summary = await changeIf(store, params.id, preconditions, (conditions) =>
        store.change(params.id, { type: "edit", labels, pinned, run }, conditions),
      );
      tag(summary);
      return summary;
    },

    deleteSession: async ({ params, query }) => {
      const { session_id, purged, trash_id } = await store.remove(params.id, {
        purge: query.purge,
        force: query.force,
        reason: "deleted",
      });
      return { session_id, purged, trash_id };
    },

    validateSession: async ({ params }) => {
      const { session_id, valid, findings } = await store.validate(params.id);
      return { session_id, valid, findings };
    },

    recoverSession: ({ params }) => store.recover(params.id),
  } satisfies Partial<Handlers>;
}

async function filesOf(session: Session, state: Query<"listFiles">["state"]): Promise<readonly string[]> {
  if (state === "failed") return failedFiles(session);
  return state === "processed" ? session.processed_files : session.pending_files;
}
