/** The handlers that change a session's progress or status. */
import { progressReplyOf } from "../../contract/from-summary.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Verb } from "../../session/transition.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Handlers } from "../http/handler.ts";

export function progressHandlers(store: SessionStore) {
  const transition = (verb: Verb) => async (call: TransitionCall) => {
    const reason = call.body?.reason;
    const { summary } = await store.apply(call.params.id, { type: "transition", verb, reason });
    call.tag(summary.revision);
    return summary;
  };

  return {
    checkpointSession: async ({ params, body, ifMatch, tag }) => {
      const { summary } = await store.apply(
        params.id,
        { type: "checkpoint", checkpoint: body },
        ifMatch === "*" ? {} : { ifRevision: ifMatch },
      );
      tag(summary.revision);
      return progressReplyOf(summary);
    },

    reportProgress: async ({ params, body, tag }) => {
      const reply = await store.report(params.id, body);
      tag(reply.revision);
      return reply;
    },

    pauseSession: transition("pause"),
    completeSession: transition("complete"),
    failSession: transition("fail"),
    reopenSession: transition("reopen"),

    // Replies with the whole session, because whoever resumes it needs the pending files.
    resumeSession: async ({ params, body, tag }) => {
      const command = { type: "transition", verb: "resume", reason: body?.reason } as const;
      const { session, summary } = await store.apply(params.id, command);
      tag(summary.revision);
      return session;
    },
  } satisfies Partial<Handlers>;
}

interface TransitionCall {
  params: { readonly id: SessionId };
  body: { reason?: string | undefined } | undefined;
  tag(revision: number): void;
}
