/** What callers of `forEach` give and get. */
import { SessiondError } from "../../error.ts";
import type { Session, SessionSummary } from "../../session/session.ts";
import type { NotNow } from "./not-now.ts";
import type { StopCause } from "./stop.ts";

export interface WorkContext extends LoopContext {
  /** The session as far as the worker knows it now. */
  session: Session;
}

/** What the work of a shared worker is given beside the file. */
export interface SharedWorkContext extends LoopContext {
  /** The summary of the session; see {@link SharedWorkerSession.summary}. */
  summary: SessionSummary;
}

interface LoopContext {
  /** Aborted when the loop ends early. Work that finishes nevertheless is still reported. */
  signal: AbortSignal;
  /** Adds newly found files. They are reported together with this file, and the loop works on them too. */
  add: (...files: string[]) => void;
}

/**
 * Works on a file. The returned value is stored as the file's result; `undefined` stores no result. If a
 * service that the work needs refuses for now, throw {@link NotNow}.
 */
export type Work = (file: string, context: WorkContext) => unknown;

/** As {@link Work}, for a worker that shares its session. */
export type SharedWork = (file: string, context: SharedWorkContext) => unknown;

export interface ForEachOptions {
  /** How many files are worked on at the same time: a whole number, 1 or more. Default: 1. */
  concurrency?: number | undefined;
  /**
   * The loop ends, with the files that are left pending, when the work has thrown {@link NotNow} for so many
   * milliseconds without a success. Default: 24 hours.
   */
  maxDeferMs?: number | undefined;
  /** Ends the loop early. */
  signal?: AbortSignal | undefined;
  /**
   * What the loop does when the session is paused. `end`: it ends early. `hold`: work under way finishes, its
   * signal is not aborted, nothing more begins, and after a resume the loop goes on with the files that are
   * pending then. Default: `end`.
   */
  onPause?: "hold" | "end" | undefined;
  /**
   * Called when the work on a file throws, but not for the first 19 times that it throws {@link NotNow}. The
   * returned value is stored as the file's result; `undefined` leaves the file pending; throwing ends the
   * loop. Without it, the first error ends the loop.
   */
  onError?: ((error: unknown, file: string) => unknown) | undefined;
}

export interface ForEachSummary {
  /** The number of files whose report is durable. */
  processed: number;
  /** The number of files whose work failed and that `onError` left pending. */
  failed: number;
  /** The number of files whose report was not acknowledged, because the lease or the connection was lost. */
  unacknowledged: number;
  /** Why the loop ended before all files were done; null if all were done. */
  stopped: Exclude<StopCause, "detached"> | "aborted" | "not_now" | null;
}

const dayMs = 86_400_000;

/** The options with their defaults. @throws SessiondError `invalid_request` */
export function checkedOptions({ concurrency = 1, maxDeferMs = dayMs, onPause = "end" }: ForEachOptions): {
  readonly concurrency: number;
  readonly maxDeferMs: number;
  readonly onPause: "hold" | "end";
} {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new SessiondError(
      "invalid_request",
      `concurrency must be a whole number, 1 or more, not ${concurrency}`,
    );
  }
  if (typeof maxDeferMs !== "number" || !(maxDeferMs >= 0)) {
    throw new SessiondError("invalid_request", `maxDeferMs must be a number, 0 or more, not ${maxDeferMs}`);
  }
  if (onPause !== "hold" && onPause !== "end") {
    throw new SessiondError("invalid_request", `onPause must be "hold" or "end", not ${onPause}`);
  }
  return { concurrency, maxDeferMs, onPause };
}
