/** What about cleanup a person should look at. */

import type { HealthProblem } from "../contract/replies.ts";
import type { SessionStore } from "../store/session-store.ts";
import { type Micros, parseTimestamp } from "../time/clock.ts";
import type { HeldPlan } from "./approvals.ts";
import type { JobName } from "./jobs.ts";

export async function cleanupHealth(
  store: Pick<SessionStore, "list">,
  waiting: readonly HeldPlan[],
  failures: ReadonlyMap<JobName, string>,
  now: Micros,
): Promise<HealthProblem[]> {
  return [
    ...waiting.map(({ policy, plan_id, why, since }) => ({
      code: "cleanup_waiting_approval",
      message: `the cleanup of ${policy} sessions waits for approval since ${since}: ${why}`,
      hint: `carry it out with: sessionctl cleanup ${policy} --approve ${plan_id} --yes; if it is a mistake, correct cleanup.${policy} in the configuration and reload`,
      session_id: null,
    })),
    ...[...failures].map(([job, why]) => ({
      code: "cleanup_failed",
      message: `the last run of the cleanup job ${job} failed: ${why}`,
      hint: "it runs again at its next slot, or when it is asked to",
      session_id: null,
    })),
    ...(await futureTimes(store, now)),
  ];
}

/** The first page, newest first, is where they are. */
async function futureTimes(store: Pick<SessionStore, "list">, now: Micros): Promise<HealthProblem[]> {
  const { sessions } = await store.list({ sort: "checkpoint_time" });
  const ids = sessions
    .filter((session) => (parseTimestamp(session.checkpoint_time) ?? 0) > now)
    .map((session) => session.session_id);
  const [first] = ids;
  if (first === undefined) return [];
  const whose = ids.length === 1 ? `session ${first}` : `several sessions (${first} among them)`;
  return [
    {
      code: "checkpoint_time_in_future",
      message: `the checkpoint time of ${whose} is in the future; cleanup keeps what it cannot tell the age of`,
      hint: "check the clocks of the machines that write sessions, or save the session again",
      session_id: ids.length === 1 ? first : null,
    },
  ];
}
