/** The options of a runner, its hooks, and its summary. */

import type { Status } from "../session/session.ts";
import type { Guard } from "./guard.ts";
import type { Halt } from "./halt.ts";
import type { Inputs } from "./inputs.ts";
import type { JobLog } from "./joblog.ts";
import type { OwnPlaces } from "./own-places.ts";
import type { FileResult } from "./result.ts";
import type { Share } from "./run-session.ts";
import type { Spending } from "./spending.ts";
import type { Template } from "./template.ts";

/** Bytes of one stream that a result may record. */
export const maxOutputLimit = 16 * 1024 * 1024;

export interface RunnerOptions {
  readonly template: Template;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly jobs: number;
  /** Further attempts for a file whose command fails. */
  readonly retries: number;
  /** Milliseconds before the first of them; doubled before each later one. */
  readonly retryDelayMs: number;
  /** Milliseconds between two starts, at least. */
  readonly delayMs: number;
  /** Exit statuses by which a command says "not now". */
  readonly deferOn: readonly number[];
  /** After so many milliseconds of "not now" without a success the run ends. */
  readonly maxDeferMs: number;
  readonly timeoutMs: number | undefined;
  readonly halt: Halt | undefined;
  readonly keepOrder: boolean;
  readonly outputLimit: number;
  readonly resultsDir: string | undefined;
  readonly joblog: JobLog | undefined;
  readonly places: OwnPlaces;
  readonly inputs: Inputs;
  /** Milliseconds to wait while the disk of the daemon is full. */
  readonly patienceMs: number;
  readonly guard: Guard | undefined;
  /** What the run does when somebody pauses the session: wait until it is resumed, or end. */
  readonly onPause: OnPause;
  /** Counts what attempts spend; undefined if there is nothing to count. */
  readonly spending: Spending | undefined;
}

export const onPauseChoices = ["hold", "exit"] as const;
export type OnPause = (typeof onPauseChoices)[number];

/** A file whose result is durable. */
export interface FileEnd {
  readonly file: string;
  readonly result: FileResult;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface RunnerHooks {
  /**
   * Called in the order of the files if `keepOrder` is set. While many calls are pending, no more files
   * start.
   */
  ended(end: FileEnd): void | Promise<void>;
  /** The snapshot of the run has changed. */
  changed(): void;
  /** Somebody has paused the session: running commands finish, and the run waits. */
  held(): void;
  /** The session was resumed after so many milliseconds, and the run goes on. */
  resumed(heldMs: number): void;
  say(line: string): void;
}

/** Why a run ended before all its files were done. */
export interface Stop {
  readonly cause:
    | "interrupted"
    | "halted"
    | "deferred"
    | "budget"
    | "paused"
    | "completed"
    | "failed"
    | "deleted"
    | "lease_lost"
    | "error";
  readonly reason: string;
  readonly error?: unknown;
}

/** Counts of files. In a session that is shared, they are those of the whole session. */
export interface RunSummary {
  readonly done: number;
  readonly failed: number;
  /** Files that succeeded in earlier runs. */
  readonly doneEarlier: number;
  /** Files that failed in earlier runs and were not run again. */
  readonly failedEarlier: number;
  /** Files that stay pending. */
  readonly pending: number;
  /** Whether the session is still paused by somebody else. */
  readonly isHeld: boolean;
  readonly stop: Stop | undefined;
  /** The part of this run; undefined if it had the session to itself. */
  readonly share: Share | undefined;
}

/** How a run leaves its session. */
export interface RunEnd {
  readonly summary: RunSummary;
  /**
   * The status that the run has given its session, if it has given one. If it shared the session, the status
   * that the session has.
   */
  readonly status: Status | undefined;
  /** Workers that go on with the session. */
  readonly others: number;
}
