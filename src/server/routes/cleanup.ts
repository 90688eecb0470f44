/** The handlers for cleanup. */
import { type JobName, jobNames } from "../../contract/replies.ts";
import type { Cleanup } from "../../retention/cleanup.ts";
import { parseDuration } from "../../time/duration.ts";
import { RequestError } from "../http/error-reply.ts";
import type { Handlers } from "../http/handler.ts";

export function cleanupHandlers(cleanup: Cleanup) {
  return {
    getCleanup: async ({ query }) => ({ jobs: await cleanup.schedules({ withDue: query.due ?? false }) }),

    runCleanup: ({ params, body = {} }) =>
      cleanup.run({
        policy: parsePolicy(params.policy),
        trigger: "request",
        dryRun: body.dry_run ?? false,
        // Another language may have written 5.0.
        keepRecent: body.keep_recent === undefined ? undefined : Number(body.keep_recent),
        maxAgeMs: body.max_age === undefined ? undefined : parseDuration(body.max_age),
        approve: body.approve,
      }),

    getCleanupHistory: ({ query }) => cleanup.history(query),
  } satisfies Partial<Handlers>;
}

function parsePolicy(name: string): JobName {
  const policy = jobNames.find((known) => known === name);
  if (policy === undefined) {
    throw new RequestError(404, `there is no cleanup policy "${name}"; there are ${jobNames.join(", ")}`);
  }
  return policy;
}
