/**
 * The files of a run: which begins next, and what became of those that have begun. There are two forms: the
 * list of a session that the run has to itself, and what it has claimed of a session that it shares.
 */

/** Numbers of files. */
export interface RunCounts {
  /** Succeeded in this run; their results are durable. */
  readonly done: number;
  /** Failed in this run; their results are durable. */
  readonly failed: number;
  /** Succeeded in earlier runs. */
  readonly doneEarlier: number;
  /** Failed in earlier runs, and are not run again by this one. */
  readonly failedEarlier: number;
  /** Files of this run: those that are left, worked on and ended. */
  readonly count: number;
}

export interface Begin {
  /** How many files could begin now, this one included. Default: 1. */
  readonly free?: number;
  /** If false, only a file that was refused is taken. Default: true. */
  readonly mayBeginFresh?: boolean;
}

export interface RunFiles extends RunCounts {
  /** The next file, which is worked on from now on; undefined if none can begin now. */
  begin(request?: Begin): string | undefined;
  /** The result of a file is recorded. */
  end(file: string, end: { succeeded: boolean }): void;
  /** A file that has begun stays pending; it is the next to begin again. */
  putBack(file: string): void;
  /** A file that has begun was refused: it stays pending, and begins again after the others. */
  defer(file: string): void;
  /** A file that has begun is somebody else's now, whoever gave it away: it is none of this run any more. */
  drop(file: string): void;
  /** Files that are not worked on. */
  readonly left: number;
  /** Whether no file is left to begin, now or later. */
  readonly isThrough: boolean;
  /** Files that were refused and have not begun again. */
  readonly deferred: number;
  /** Whether files are left that were not refused. */
  readonly isFreshLeft: boolean;
}

/** The numbers as they are now. */
export function countsOf({ done, failed, doneEarlier, failedEarlier, count }: RunCounts): RunCounts {
  return { done, failed, doneEarlier, failedEarlier, count };
}
