/** How much a scheduled pass may remove without approval. */
import type { Plan } from "./policy.ts";

export interface Limits {
  /** The largest share of all sessions, from 0 to 1. */
  maxDeleteRatio: number;
  maxDeleteCount?: number | undefined;
}

/** A share means nothing for so few removals. */
const fewestForRatio = 3;

/** Says why a plan needs approval before a scheduled pass applies it; undefined if it needs none. */
export function overLimit(plan: Plan, limits: Limits): string | undefined {
  const remove = plan.removals.length;
  const { total } = plan;
  if (limits.maxDeleteCount !== undefined && remove > limits.maxDeleteCount) {
    return `it would remove ${remove} sessions; max_delete_count is ${limits.maxDeleteCount}`;
  }
  if (remove >= fewestForRatio && remove > limits.maxDeleteRatio * total) {
    return `it would remove ${remove} of ${total} sessions; max_delete_ratio is ${limits.maxDeleteRatio}`;
  }
  return undefined;
}
