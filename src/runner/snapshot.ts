/** The state of a run at one moment, for displays. */
import type { Held } from "./hold.ts";
import type { Share } from "./run-session.ts";
import type { Spent } from "./spending.ts";

/** How a run is slowed down. */
export interface RunPace {
  /** The most commands at once now, if that is less than the run may have; undefined if it is not. */
  readonly slowedTo: number | undefined;
  /** Pending files whose command said "not now". */
  readonly deferred: number;
  /** What the run waits for before it starts the next command; undefined if it does not wait. */
  readonly waiting: { readonly untilMs: number; readonly reason: string } | undefined;
}

/**
 * The state of a run at one moment. Counts are files; times are milliseconds of performance.now(). In a
 * session that is shared, `done` and `failed` are what all workers have finished since the run began, and
 * `pending` is whatever this run is not working on.
 */
export interface RunSnapshot extends RunPace {
  readonly sessionId: string;
  /** The part of this run; undefined if it has the session to itself. */
  readonly share: Share | undefined;
  /** All files of the session: restored + failedBefore + done + failed + pending + running.length. */
  readonly total: number;
  /** Succeeded in earlier runs. */
  readonly restored: number;
  /** Failed in earlier runs, and not run again by this one. */
  readonly failedBefore: number;
  /** Succeeded in this run; their results are durable. */
  readonly done: number;
  /** Failed in this run after the last retry; their results are durable. */
  readonly failed: number;
  /** Not started yet. */
  readonly pending: number;
  readonly running: readonly {
    readonly file: string;
    readonly startedMs: number;
    readonly attempt: number;
  }[];
  readonly startedMs: number;
  readonly nowMs: number;
  /** What the whole session has spent of its budgets. */
  readonly budgets: readonly Spent[];
  /** Why the run starts no more files and only finishes running commands; undefined if it goes on. */
  readonly draining: string | undefined;
  /** Somebody else has paused the session, and the run waits until it is resumed; undefined if it goes on. */
  readonly hold: (Held & { readonly reason: string | undefined }) | undefined;
  /** How long no command ran in earlier holds. */
  readonly heldMs: number;
  /** The connection to the daemon is lost; the run continues and reconnects. */
  readonly disconnected: boolean;
}

/** How long the run has worked: since its start, without the time in which it was held and no command ran. */
export function workedMs(
  { startedMs, hold, heldMs }: Pick<RunSnapshot, "startedMs" | "hold" | "heldMs">,
  nowMs: number,
): number {
  return Math.max(0, Math.min(nowMs, hold?.idleSinceMs ?? nowMs) - startedMs - heldMs);
}
