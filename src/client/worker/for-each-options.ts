/** What callers of `forEach` give and get. */
import type { Session } from "../../session/session.ts";
import type { StopCause } from "./stop.ts";

export interface WorkContext {
  /** The session as far as the worker knows it now. */
  session: Session;
  /** Aborted when the loop ends early. Work that finishes nevertheless is still reported. */
  signal: AbortSignal;
  /** Adds newly found files. They are reported together with this file, and the loop works on them too. */
  add: (...files: string[]) => void;
}

/** Works on a file. The returned value is stored as the file's result; `undefined` stores no result. */
export type Work = (file: string, context: WorkContext) => unknown;

export interface ForEachOptions {
  /** How many files are worked on at the same time: a whole number, 1 or more. Default: 1. */
  concurrency?: number | undefined;
  /** Ends the loop early. */
  signal?: AbortSignal | undefined;
  /**
   * Called when the work on a file throws. The returned value is stored as the file's result; `undefined`
   * leaves the file pending; throwing ends the loop. Without it, the first error ends the loop.
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
  stopped: Exclude<StopCause, "detached"> | "aborted" | null;
}
