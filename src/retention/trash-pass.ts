/** Empties the trash of what has been there for its retention: the plan, and its application. */
import type { CleanupResult, Decision, TrashEntry } from "../contract/replies.ts";
import type { SessionStore } from "../store/session-store.ts";
import { type Clock, formatTimestamp, type Micros, microsPerMs, parseTimestamp } from "../time/clock.ts";
import type { HeldPlan } from "./approvals.ts";
import { appendHistory, trashHistory } from "./history.ts";
import type { Trigger } from "./pass.ts";
import {
  describePolicy,
  type KeepReason,
  listId,
  type Plan,
  type RemoveReason,
  type TrashPolicy,
} from "./policy.ts";

/** Decides about every entry. Pure. */
export function planTrash(entries: readonly TrashEntry[], policy: TrashPolicy, now: Micros): Plan {
  const decisions = entries.map((entry): Decision => {
    const { trash_id, session_id, status, removed_time, bytes } = entry;
    const [action, reason] = decide(removed_time, policy, now);
    return { session_id, action, reason, status, checkpoint_time: null, bytes, trash_id, removed_time };
  });
  const remove = decisions.filter(({ action }) => action === "remove").reverse();
  const plan_id = listId(
    describePolicy(policy),
    remove.map(({ trash_id }) => trash_id),
  );
  return planOf(policy, plan_id, decisions, remove);
}

type Verdict = readonly ["keep", KeepReason] | readonly ["remove", RemoveReason];

function decide(removedTime: string, { retentionMs }: TrashPolicy, now: Micros): Verdict {
  const at = parseTimestamp(removedTime);
  if (at === undefined) return ["keep", "time_unreadable"];
  if (retentionMs > 0 && at > now) return ["keep", "time_in_future"];
  return now - at >= retentionMs * microsPerMs || retentionMs === 0
    ? ["remove", "trash_retention"]
    : ["keep", "recently_removed"];
}

/** What is left of a plan that was approved: its entries that are still in the trash. Pure. */
export function approvedTrash(held: HeldPlan, fresh: Plan): Plan {
  const approved = new Set(held.removals.map(({ trash_id }) => trash_id));
  const decisions = fresh.decisions.map((decision): Decision => {
    if (approved.has(decision.trash_id ?? null))
      return { ...decision, action: "remove", reason: "trash_retention" };
    return decision.action === "remove" ? { ...decision, action: "keep", reason: "not_approved" } : decision;
  });
  const remove = decisions.filter(({ action }) => action === "remove").reverse();
  return planOf(fresh.policy, held.plan_id, decisions, remove);
}

function planOf(
  policy: Plan["policy"],
  plan_id: string,
  decisions: readonly Decision[],
  remove: readonly Decision[],
): Plan {
  const removals = remove.map(({ action: _, ...what }) => ({ ...what, generation: null, revision: 0 }));
  const bytes = remove.reduce((sum, decision) => sum + decision.bytes, 0);
  return { policy, plan_id, decisions, total: decisions.length, removals, bytes, warnings: [] };
}

export interface TrashPass {
  store: Pick<SessionStore, "emptyTrash" | "records">;
  plan: Plan;
  trigger: Trigger;
  dryRun: boolean;
  /** Why the plan must wait for approval. If set, nothing is deleted. */
  hold?: string | undefined;
  clock: Clock;
}

/**
 * Deletes the plan's entries for good, and writes them to the history.
 *
 * @throws the store's error
 */
export async function runTrashPass(pass: TrashPass): Promise<CleanupResult> {
  const { store, plan, trigger, dryRun, hold, clock } = pass;
  const started_time = formatTimestamp(clock.now());
  const startedAt = performance.now();
  const rule = describePolicy(plan.policy);
  const planned = new Set(plan.removals.flatMap(({ trash_id }) => trash_id ?? []));
  let removed: ReadonlySet<string> = hold === undefined ? planned : new Set();
  if (hold === undefined && !dryRun) {
    const { entries } = await store.emptyTrash(0, planned);
    removed = new Set(entries.map(({ trash_id }) => trash_id));
    const run = { rule, trigger, plan_id: plan.plan_id };
    await appendHistory(store.records, trashHistory(entries, run, clock));
  }
  const untried: KeepReason = hold === undefined ? "changed" : "waiting_approval";
  const decisions = plan.decisions.map((decision): Decision => {
    const isGone = decision.action === "keep" || removed.has(decision.trash_id ?? "");
    return isGone ? decision : { ...decision, action: "keep", reason: untried };
  });
  return {
    policy: plan.policy.name,
    rule,
    dry_run: dryRun,
    plan_id: plan.plan_id,
    trigger,
    outcome: hold !== undefined ? "waiting_approval" : dryRun ? "planned" : "done",
    started_time,
    duration_ms: Math.round(performance.now() - startedAt),
    total: decisions.length,
    kept: decisions.length - removed.size,
    removed: removed.size,
    bytes: decisions.reduce((sum, { action, bytes }) => sum + (action === "remove" ? bytes : 0), 0),
    decisions,
    failures: [],
    warnings: [...plan.warnings, ...(hold === undefined ? [] : [`waiting for approval: ${hold}`])],
  };
}
