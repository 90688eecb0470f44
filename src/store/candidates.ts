/** Which sessions a cleanup policy has to look at, so that a pass need not hold all sessions in memory. */
import type { SessionSummary, Status } from "../session/session.ts";
import type { Micros } from "../time/clock.ts";

/**
 * What a policy may remove. Never a session that is pinned, has a lease, or has a checkpoint time that is in
 * the future or cannot be read.
 */
export interface CleanupRule {
  /** Only sessions of this status. */
  readonly status?: Status | undefined;
  /** Only sessions whose last activity was at this time or before. */
  readonly activeUntil?: Micros | undefined;
  /** Not the newest sessions that fit otherwise: as many as this. */
  readonly keepNewest?: number | undefined;
  /** The present, by the clock of the store. */
  readonly now: Micros;
}

export interface Candidates {
  /**
   * All sessions that may be removed, and any number of others, in slices and in no particular order. The
   * caller decides about each.
   */
  readonly sessions: AsyncIterable<SessionSummary[]>;
  /** How many sessions were left out, because the rule keeps them. */
  readonly leftOut: number;
  /** How many of those that were left out count as the newest. */
  readonly newestLeftOut: number;
}

/** Those of a store that has a summary of every session at hand. */
export function allAreCandidates(sessions: AsyncIterable<SessionSummary[]>): Candidates {
  return { sessions, leftOut: 0, newestLeftOut: 0 };
}
