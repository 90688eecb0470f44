/** How much one pass may remove without a person's word. */
import type { Plan } from "./policy.ts";

export interface Limits {
  /** Largest share of all sessions, 0 to 1. */
  maxDeleteRatio: number;
  maxDeleteCount?: number | undefined;
}

/** So few removals never need approval: a share says nothing about a handful of sessions. */
export const alwaysAllowed = 10;

/** Why a plan needs approval before a scheduled pass carries it out, or undefined if it does not. */
export function overLimit(plan: Plan, limits: Limits): string | undefined {
  const remove = plan.removals.length;
  const total = plan.decisions.length;
  if (remove <= alwaysAllowed) return undefined;
  if (limits.maxDeleteCount !== undefined && remove > limits.maxDeleteCount) {
    return `it would remove ${remove} sessions; max_delete_count is ${limits.maxDeleteCount}`;
  }
  if (remove > limits.maxDeleteRatio * total) {
    return `it would remove ${remove} of ${total} sessions; max_delete_ratio is ${limits.maxDeleteRatio}`;
  }
  return undefined;
}
