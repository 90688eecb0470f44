/**
 * Plans over a limit, or made after the system clock was set. Each waits until somebody approves it; an
 * approval is good for one pass.
 */
import { z } from "zod";
import { type Decision, type JobName, jobNames, type ScheduleEntry } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import { type SessionSummary, statuses } from "../session/session.ts";
import type { Records } from "../store/session-store.ts";
import type { ClockJump } from "./clock-jump.ts";
import { describePolicy, type KeepReason, type Plan } from "./policy.ts";
import { SavedRecord } from "./saved-record.ts";

const heldSchema = z.object({
  policy: z.enum(jobNames),
  plan_id: z.string(),
  rule: z.string(),
  since: z.string(),
  why: z.string(),
  /** By how much the clock had been set when the plan was made; null if it waits for another reason. */
  clock_set_by_ms: z.number().nullable().default(null),
  total: z.int(),
  removals: z.array(
    z.object({
      session_id: z.string(),
      reason: z.string(),
      status: z.enum(statuses).nullable(),
      checkpoint_time: z.string().nullable(),
      bytes: z.int(),
      trash_id: z.string().nullable().default(null),
      generation: z.string().nullable(),
      revision: z.int(),
    }),
  ),
});
const recordSchema = z.object({ plans: z.array(heldSchema) });

export type HeldPlan = z.infer<typeof heldSchema>;

/** The waiting plans, at most one for each policy. They survive a restart, and all daemons have the same. */
export class Approvals {
  readonly #record: SavedRecord<z.infer<typeof recordSchema>>;

  constructor(records: Records) {
    this.#record = new SavedRecord({
      records,
      name: "approvals",
      schema: recordSchema,
      empty: { plans: [] },
    });
  }

  /** Reads again what another daemon may have changed. */
  load(): Promise<void> {
    return this.#record.load();
  }

  /** Empty before {@link load}. */
  all(): readonly HeldPlan[] {
    return this.#record.value.plans;
  }

  get(policy: JobName): HeldPlan | undefined {
    return this.all().find((held) => held.policy === policy);
  }

  /** The waiting plan as the list of jobs shows it. */
  waiting(job: string): ScheduleEntry["waiting"] {
    const held = this.all().find((one) => one.policy === job);
    if (held === undefined) return null;
    const { plan_id, since, removals, total, why } = held;
    return { plan_id, since, remove: removals.length, total, why };
  }

  /**
   * Finds the plan that was approved: the fresh one or the waiting one. `narrow` leaves of the waiting one
   * what has not changed.
   *
   * @throws SessiondError `approval_required` if the id is that of neither
   */
  approved(
    plan_id: string,
    fresh: Plan,
    jump: ClockJump | undefined,
    narrow: (held: HeldPlan) => Plan | Promise<Plan>,
  ): Plan | Promise<Plan> {
    if (plan_id === fresh.plan_id) return fresh;
    const { name } = fresh.policy;
    const held = this.get(name);
    const isCurrent = held?.clock_set_by_ms === (jump?.byMs ?? null);
    if (held?.plan_id === plan_id && isCurrent && held.rule === describePolicy(fresh.policy)) {
      return narrow(held);
    }
    const waits =
      held === undefined
        ? `no plan of ${jobTitle(name)} is waiting`
        : `the waiting plan is "${held.plan_id}"`;
    throw new SessiondError(
      "approval_required",
      `the plan "${plan_id}" cannot be approved: ${waits}; a dry run now gives "${fresh.plan_id}"`,
    );
  }

  /**
   * Lets a plan wait, in place of the policy's earlier one. A plan that is waiting already keeps its time.
   */
  async hold(plan: Plan, why: string, now: string, jump: ClockJump | undefined): Promise<void> {
    const policy = plan.policy.name;
    if (this.get(policy)?.plan_id === plan.plan_id) return;
    const held: HeldPlan = {
      policy,
      plan_id: plan.plan_id,
      rule: describePolicy(plan.policy),
      since: now,
      why,
      clock_set_by_ms: jump?.byMs ?? null,
      total: plan.total,
      removals: plan.removals.map(({ removed_time: _, trash_id = null, ...removal }) => ({
        ...removal,
        trash_id,
      })),
    };
    await this.#record.change(({ plans }) => ({
      plans: [...plans.filter((other) => other.policy !== policy), held],
    }));
  }

  /** Deletes the plans that match. */
  async drop(matches: (held: HeldPlan) => boolean): Promise<void> {
    if (!this.all().some(matches)) return;
    await this.#record.change(({ plans }) => ({ plans: plans.filter((held) => !matches(held)) }));
  }
}

/** A job in a message: `the policy completed`. */
function jobTitle(job: JobName): string {
  return job === "trash" ? "the trash" : `the policy ${job}`;
}

/**
 * Removes only sessions of the held plan that have not changed since and have no worker. `current` has the
 * sessions as they are now: those that the fresh plan decides about, and those of the held plan.
 */
export function approvedPlan(
  held: HeldPlan,
  fresh: Plan,
  current: ReadonlyMap<string, SessionSummary>,
): Plan {
  const decided = new Set<string>();
  const leased = new Set<string>();
  for (const { session_id, reason } of fresh.decisions) {
    decided.add(session_id);
    if (reason === "leased") leased.add(session_id);
  }
  const listed = held.removals.map(({ trash_id: _, ...removal }) => removal);
  const removals = listed.filter((removal) => {
    const session = current.get(removal.session_id);
    return (
      !leased.has(removal.session_id) &&
      session?.revision === removal.revision &&
      session.generation === removal.generation &&
      session.checkpoint_time === removal.checkpoint_time
    );
  });
  const approved = new Map(removals.map((removal) => [removal.session_id, removal.reason]));
  const listedIds = new Set(listed.map((removal) => removal.session_id));
  const decisions = fresh.decisions.map((decision): Decision => {
    const reason = approved.get(decision.session_id);
    if (reason !== undefined) return { ...decision, action: "remove", reason };
    if (leased.has(decision.session_id)) return decision;
    if (listedIds.has(decision.session_id)) return keep(decision, "changed");
    return decision.action === "remove" ? keep(decision, "not_approved") : decision;
  });
  for (const { generation: _, revision: __, ...removal } of listed) {
    const { session_id } = removal;
    if (decided.has(session_id)) continue;
    const decision = { ...removal, action: "remove" } as const;
    decisions.push(approved.has(session_id) ? decision : keep(decision, "changed"));
  }
  return {
    policy: fresh.policy,
    decisions,
    // A session that is gone is counted as well: the held plan has it.
    total: fresh.total + listed.filter(({ session_id }) => !current.has(session_id)).length,
    removals,
    plan_id: held.plan_id,
    bytes: removals.reduce((sum, removal) => sum + removal.bytes, 0),
    warnings: fresh.warnings,
  };
}

function keep(decision: Decision, reason: KeepReason): Decision {
  return { ...decision, action: "keep", reason };
}
