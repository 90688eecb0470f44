/** What a run has done so far. Counts are files; times are milliseconds of performance.now(). */
export interface RunProgress {
  readonly sessionId: string;
  /** All files of the session that this run looks after: restored + failedBefore + done + failed + pending + running.length. */
  readonly total: number;
  /** Done well before this run began. */
  readonly restored: number;
  /** Failed before this run began, and left alone by it. */
  readonly failedBefore: number;
  /** Done well by this run, durably recorded. */
  readonly done: number;
  /** Given up by this run after the last retry, recorded as such. */
  readonly failed: number;
  /** Not begun. */
  readonly pending: number;
  readonly running: readonly {
    readonly file: string;
    readonly startedMs: number;
    readonly attempt: number;
  }[];
  readonly startedMs: number;
  readonly nowMs: number;
  /** Finishes what runs and begins nothing more; and why, in a few words. */
  readonly draining: string | undefined;
  /** The daemon is away; the run goes on and waits for it. */
  readonly disconnected: boolean;
}
