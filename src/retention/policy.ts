/** The cleanup policies, as a pure function: which sessions are removed, which are kept, and why. */
import { createHash } from "node:crypto";
import type { Decision } from "../contract/replies.ts";
import type { SessionSummary } from "../session/session.ts";
import { type Micros, microsPerMs, parseTimestamp } from "../time/clock.ts";
import { formatDuration } from "../time/duration.ts";

export type Policy =
  | { readonly name: "completed"; readonly keepRecent: number }
  /** Applies to sessions of any status. */
  | { readonly name: "expired"; readonly maxAgeMs: number }
  | { readonly name: "failed"; readonly maxAgeMs: number };

/** Deletes for good what has been in the trash this long. */
export interface TrashPolicy {
  readonly name: "trash";
  readonly retentionMs: number;
}

/** Why a session is kept. The codes are part of the contract. */
export const keepReasons = {
  pinned: "it is pinned",
  leased: "a worker is attached to it, or may still reconnect",
  other_status: "the policy does not apply to its status",
  among_most_recent: "it is one of the most recent sessions, which the policy keeps",
  recent_activity: "it had activity within the policy's max_age",
  time_in_future: "its time is in the future, so its age is unknown",
  time_unreadable: "its time cannot be read, so its age is unknown",
  recently_removed: "it was removed within the trash's retention",
  changed: "it changed after the plan was made",
  waiting_approval: "the plan is over a limit, or the clock was set: it waits for approval",
  not_approved: "it is not in the approved plan",
  not_reached: "the pass stopped before this session",
  removal_failed: "the removal failed; failures has the reason",
} as const;
export type KeepReason = keyof typeof keepReasons;

/** Why a session is removed. The codes are part of the contract. */
export const removeReasons = {
  beyond_most_recent: "it is completed and not one of the most recent sessions, which the policy keeps",
  no_recent_activity: "it had no activity within the policy's max_age",
  failed_past_max_age: "it failed, and had no activity within the policy's max_age",
  trash_retention: "it has been in the trash for the trash's retention",
} as const;
export type RemoveReason = keyof typeof removeReasons;

/** A session to remove, with the revision and generation at which it was chosen. */
export type Removal = Omit<Decision, "action"> & Pick<SessionSummary, "generation" | "revision">;

export interface Plan {
  policy: Policy | TrashPolicy;
  /**
   * One for every session, or for every entry of the trash: latest activity first, then by id. Of a store
   * with very many sessions, those that the policy keeps may be left out.
   */
  decisions: readonly Decision[];
  /** How many sessions there are, or entries of the trash, also those without a decision. */
  total: number;
  /** The sessions to remove, oldest activity first. */
  removals: readonly Removal[];
  /** Identifies exactly this policy and this list of removals. */
  plan_id: string;
  /** The size of all removals. */
  bytes: number;
  warnings: readonly string[];
}

interface Dated {
  session: SessionSummary;
  at: Micros | undefined;
}

/** What a plan does not decide about one by one, because the policy keeps it. */
export interface LeftOut {
  /** How many sessions. */
  readonly leftOut: number;
  /** How many of those count towards the number that the policy `completed` keeps. */
  readonly newestLeftOut: number;
}

const nothingLeftOut: LeftOut = { leftOut: 0, newestLeftOut: 0 };

/** Whether a worker has the lease of a session. */
export type IsLeased = (id: string) => boolean;

/**
 * Decides about every session. Sessions that are pinned, leased or of unknown age are always kept. They do
 * not count towards the number that the policy `completed` keeps.
 */
export function plan(
  sessions: readonly SessionSummary[],
  policy: Policy,
  now: Micros,
  isLeased: IsLeased = () => false,
): Plan {
  const steps = planInSteps(sessions, policy, now, isLeased);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/**
 * The same plan as a generator that yields after each session, for a caller that must yield to the event
 * loop.
 */
export function* planInSteps(
  sessions: readonly SessionSummary[],
  policy: Policy,
  now: Micros,
  isLeased: IsLeased,
  { leftOut, newestLeftOut } = nothingLeftOut,
): Generator<undefined, Plan> {
  const dated: Dated[] = [];
  for (const session of sessions) {
    dated.push({ session, at: parseTimestamp(session.checkpoint_time) });
    yield;
  }
  dated.sort(latestFirst);
  const decisions: Decision[] = [];
  const removals: Removal[] = [];
  let bytes = 0;
  let recent = newestLeftOut;
  for (const { session, at } of dated) {
    const [action, reason] = decide(session, at, { policy, now, recent, isLeased });
    const { session_id, status, checkpoint_time, bytes: size, generation, revision } = session;
    decisions.push({ session_id, action, reason, status, checkpoint_time, bytes: size });
    if (reason === "among_most_recent") recent++;
    if (action === "remove") {
      bytes += size;
      removals.push({ session_id, reason, status, checkpoint_time, bytes: size, generation, revision });
    }
    yield;
  }
  removals.reverse();
  // Revisions of sessions that other programs write may begin anew with the daemon. Their times do not.
  const rows = removals.map(({ session_id, generation, revision, checkpoint_time }) => [
    session_id,
    generation,
    revision,
    checkpoint_time,
  ]);
  const plan_id = listId(describePolicy(policy), rows);
  const total = decisions.length + leftOut;
  return { policy, decisions, total, removals, plan_id, bytes, warnings: warn(decisions) };
}

type Verdict = readonly ["keep", KeepReason] | readonly ["remove", RemoveReason];

interface Circumstances {
  policy: Policy;
  now: Micros;
  /** How many sessions have been kept as the most recent so far. */
  recent: number;
  isLeased: IsLeased;
}

function decide(
  session: SessionSummary,
  at: Micros | undefined,
  { policy, now, recent, isLeased }: Circumstances,
): Verdict {
  if (session.pinned) return ["keep", "pinned"];
  if (isLeased(session.session_id)) return ["keep", "leased"];
  if (policy.name !== "expired" && session.status !== policy.name) return ["keep", "other_status"];
  if (at === undefined) return ["keep", "time_unreadable"];
  if (at > now) return ["keep", "time_in_future"];
  if (policy.name === "completed") {
    return recent < policy.keepRecent ? ["keep", "among_most_recent"] : ["remove", "beyond_most_recent"];
  }
  if (now - at < policy.maxAgeMs * microsPerMs) return ["keep", "recent_activity"];
  return ["remove", policy.name === "failed" ? "failed_past_max_age" : "no_recent_activity"];
}

function latestFirst(a: Dated, b: Dated): number {
  if (a.at !== b.at) {
    if (a.at === undefined) return -1;
    if (b.at === undefined) return 1;
    return b.at - a.at;
  }
  return byText(a.session.session_id, b.session.session_id);
}

/** Compares by code unit, so that the order does not depend on the machine's language. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A short id for exactly this list under this rule. */
export function listId(rule: string, rows: readonly unknown[]): string {
  return createHash("sha256")
    .update(JSON.stringify([rule, rows]))
    .digest("hex")
    .slice(0, 12);
}

const unknownAges = [
  ["time_in_future", "a checkpoint time in the future"],
  ["time_unreadable", "a checkpoint time that cannot be read"],
] as const;
const namedAtMost = 5;

function warn(decisions: readonly Decision[]): string[] {
  return unknownAges.flatMap(([reason, what]) => {
    const ids = decisions.filter((one) => one.reason === reason).map((one) => one.session_id);
    if (ids.length === 0) return [];
    const named = ids.slice(0, namedAtMost).join(", ");
    const rest = ids.length > namedAtMost ? ` and ${ids.length - namedAtMost} more` : "";
    return [`kept because of ${what}: ${named}${rest}`];
  });
}

/** A sentence that states the policy's rule. */
export function describePolicy(policy: Policy | TrashPolicy): string {
  if (policy.name === "trash") {
    return policy.retentionMs === 0
      ? "permanently delete everything in the trash"
      : `permanently delete sessions that have been in the trash for ${formatDuration(policy.retentionMs)}`;
  }
  if (policy.name === "completed") {
    if (policy.keepRecent === 0) return "remove all completed sessions";
    return policy.keepRecent === 1
      ? "keep the most recent completed session"
      : `keep the ${policy.keepRecent} most recent completed sessions`;
  }
  const whose = policy.name === "failed" ? "failed sessions" : "sessions";
  return policy.maxAgeMs === 0
    ? `remove all ${whose}`
    : `remove ${whose} without activity for ${formatDuration(policy.maxAgeMs)}`;
}
