/** The state of a run at one moment. Counts are files; times are milliseconds of performance.now(). */
export interface RunSnapshot {
  readonly sessionId: string;
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
  /** Why the run starts no more files and only finishes running commands; undefined if it goes on. */
  readonly draining: string | undefined;
  /** The connection to the daemon is lost; the run continues and reconnects. */
  readonly disconnected: boolean;
}
