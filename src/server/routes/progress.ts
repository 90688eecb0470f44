/** The handlers that change a session's progress or status. */
import { progressReplyOf } from "../../contract/from-summary.ts";
import { stringifyJsonInSlices } from "../../json/write-in-slices.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Verb } from "../../session/transition.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Handlers } from "../http/handler.ts";
import { changeIf } from "../http/precondition.ts";
import { replyDepth } from "../http/reply-depth.ts";

export function progressHandlers(store: SessionStore) {
  const transition = (verb: Verb) => async (call: TransitionCall) => {
    const reason = call.body?.reason;
    const summary = await store.change(call.params.id, { type: "transition", verb, reason });
    call.tag(summary);
    return summary;
  };

  return {
    checkpointSession: async ({ params, body, preconditions, tag }) => {
      const summary = await changeIf(store, params.id, preconditions, (conditions) =>
        store.change(params.id, { type: "checkpoint", checkpoint: body }, conditions),
      );
      tag(summary);
      return progressReplyOf(summary);
    },

    // Without an ETag: the summary of each report would cost more than the report.
    reportProgress: async ({ params, body, text }) => {
      const json = text ?? Buffer.from(await stringifyJsonInSlices(body, replyDepth));
      return store.report(params.id, body, { json });
    },

    requeueFiles: async ({ params, body, tag }) => {
      const { files, unless_finished_since: unlessFinishedSince } = body;
      const summary = await store.change(params.id, { type: "requeue", files, unlessFinishedSince });
      tag(summary);
      return progressReplyOf(summary);
    },

    pauseSession: transition("pause"),
    completeSession: transition("complete"),
    failSession: transition("fail"),
    reopenSession: transition("reopen"),

    // Replies with the whole session, because whoever resumes it needs the pending files.
    resumeSession: async ({ params, body, tag }) => {
      const command = { type: "transition", verb: "resume", reason: body?.reason } as const;
      const { session, summary } = await store.apply(params.id, command);
      tag(summary);
      return session;
    },
  } satisfies Partial<Handlers>;
}

interface TransitionCall {
  params: { readonly id: SessionId };
  body: { reason?: string | undefined } | undefined;
  tag(summary: SessionSummary): void;
}
