/** Makes the plan of a policy from what the store has: its candidates, the leases, the time. */
import { yieldIfDue } from "../async/slices.ts";
import { isSessiondError } from "../error.ts";
import type { SessionSummary } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import type { CleanupRule, SessionStore } from "../store/session-store.ts";
import { type Micros, microsPerMs } from "../time/clock.ts";
import type { HeldPlan } from "./approvals.ts";
import { type Plan, type Policy, planInSteps, type TrashPolicy } from "./policy.ts";
import { planTrash } from "./trash-pass.ts";

export type PlannedStore = Pick<SessionStore, "candidates" | "leases" | "clock" | "summary">;

export interface PlannedSessions {
  readonly plan: Plan;
  /** The sessions that the plan decides about, by id. */
  readonly sessions: Map<string, SessionSummary>;
}

export async function planSessions(store: PlannedStore, policy: Policy): Promise<PlannedSessions> {
  const now = store.clock.now();
  const candidates = await store.candidates(ruleOf(policy, now));
  const sessions = new Map<string, SessionSummary>();
  for await (const slice of candidates.sessions)
    for (const session of slice) sessions.set(session.session_id, session);
  const leased = new Set((await store.leases.all()).map((lease) => lease.session_id));
  const steps = planInSteps([...sessions.values()], policy, now, (id) => leased.has(id), candidates);
  return { plan: await inSlices(steps), sessions };
}

/** How much a job would remove now. */
export async function countDue(
  store: PlannedStore & Pick<SessionStore, "listTrash">,
  policy: Policy | TrashPolicy,
): Promise<number> {
  if (policy.name !== "trash") return (await planSessions(store, policy)).plan.removals.length;
  const { entries } = await store.listTrash();
  return planTrash(entries, policy, store.clock.now()).removals.length;
}

/** Adds those sessions of a waiting plan that the fresh plan left out, as they are now. */
export async function addHeld(
  store: Pick<SessionStore, "summary">,
  { removals }: HeldPlan,
  sessions: Map<string, SessionSummary>,
): Promise<void> {
  for (const { session_id } of removals) {
    if (sessions.has(session_id)) continue;
    try {
      sessions.set(session_id, await store.summary(session_id as SessionId));
    } catch (error) {
      if (!isSessiondError(error, "session_not_found", "session_deleted", "session_corrupt")) throw error;
    }
  }
}

function ruleOf(policy: Policy, now: Micros): CleanupRule {
  if (policy.name === "completed") return { status: "completed", keepNewest: policy.keepRecent, now };
  const activeUntil = now - policy.maxAgeMs * microsPerMs;
  return policy.name === "failed" ? { status: "failed", activeUntil, now } : { activeUntil, now };
}

async function inSlices<T>(steps: Generator<undefined, T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    await yieldIfDue();
    step = steps.next();
  }
  return step.value;
}
