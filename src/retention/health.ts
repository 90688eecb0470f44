/** The problems of cleanup that need attention. */
import type { HealthProblem, JobName } from "../contract/replies.ts";
import type { SessionStore } from "../store/session-store.ts";
import { type Micros, parseTimestamp } from "../time/clock.ts";
import type { HeldPlan } from "./approvals.ts";

export async function cleanupHealth(
  store: Pick<SessionStore, "list">,
  waiting: readonly HealthProblem[],
  failures: ReadonlyMap<JobName, string>,
  now: Micros,
): Promise<HealthProblem[]> {
  return [
    ...waiting,
    ...[...failures].map(([job, why]) => ({
      code: "cleanup_failed",
      message: `the last run of the cleanup job ${job} failed: ${why}`,
      hint: "the job runs again at its next scheduled time, or when somebody starts it",
      session_id: null,
    })),
    ...(await futureTimes(store, now)),
  ];
}

export function waitingProblem(held: HeldPlan): HealthProblem {
  const { policy, plan_id, since, why } = held;
  return {
    code: "cleanup_waiting_approval",
    message: `the cleanup of ${subject(policy)} has been waiting for approval since ${since}: ${why}`,
    hint: `to approve: sessionctl cleanup ${policy} --approve ${plan_id} --yes; ${otherwise(held)}`,
    session_id: null,
  };
}

/** What a job cleans up, in words. */
export function subject(job: JobName): string {
  return job === "trash" ? "the trash" : `${job} sessions`;
}

/** What to do if the plan is wrong. */
function otherwise({ policy, clock_set_by_ms }: HeldPlan): string {
  return clock_set_by_ms === null
    ? `if the plan is wrong: correct cleanup.${policy} in the configuration and run sessionctl reload`
    : "if the clock is wrong: set it right, and the plan is dropped";
}

/** `unreadable` entries were found when somebody read the history. */
export function historyProblems(unreadable: number): HealthProblem[] {
  if (unreadable === 0) return [];
  const entries = unreadable === 1 ? "1 entry" : `${unreadable} entries`;
  return [
    {
      code: "history_damaged",
      message: `${entries} of the history of cleanup cannot be read; what is shown of the history leaves them out`,
      hint: "another program or a power cut has damaged the record; no session depends on it",
      session_id: null,
    },
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
