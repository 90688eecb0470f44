/** The problems of cleanup that need attention. */
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
      message: `the cleanup of ${policy} sessions has been waiting for approval since ${since}: ${why}`,
      hint:
        `to approve: sessionctl cleanup ${policy} --approve ${plan_id} --yes; ` +
        `if the plan is wrong: correct cleanup.${policy} in the configuration and run sessionctl reload`,
      session_id: null,
    })),
    ...[...failures].map(([job, why]) => ({
      code: "cleanup_failed",
      message: `the last run of the cleanup job ${job} failed: ${why}`,
      hint: "the job runs again at its next scheduled time, or when somebody starts it",
      session_id: null,
    })),
    ...(await futureTimes(store, now)),
  ];
}

/** Looks only at the first page: it has the newest checkpoint times. */
async function futureTimes(store: Pick<SessionStore, "list">, now: Micros): Promise<HealthProblem[]> {
  const { sessions } = await store.list({ sort: "checkpoint_time" });
  const ids = sessions
    .filter((session) => (parseTimestamp(session.checkpoint_time) ?? 0) > now)
    .map((session) => session.session_id);
  const [first] = ids;
  if (first === undefined) return [];
  const message =
    ids.length === 1
      ? `session ${first} has a checkpoint time in the future, so cleanup keeps it`
      : `several sessions (such as ${first}) have a checkpoint time in the future, so cleanup keeps them`;
  return [
    {
      code: "checkpoint_time_in_future",
      message,
      hint: "check the clock of the machine that wrote the session, then save the session again",
      session_id: ids.length === 1 ? first : null,
    },
  ];
}
