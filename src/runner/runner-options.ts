/** What a runner is told, and what it tells. */
import type { Guard } from "./guard.ts";
import type { Halt } from "./halt.ts";
import type { JobLog } from "./joblog.ts";
import type { FileResult } from "./result.ts";
import type { Template } from "./template.ts";

export interface RunnerFiles {
  /** To be worked on, in this order. */
  readonly files: readonly string[];
  /** How many were processed before, and how many of those had failed. */
  readonly restored: number;
  readonly failedBefore: number;
}

export interface RunnerOptions {
  readonly template: Template;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly jobs: number;
  /** Further attempts for a file that failed. */
  readonly retries: number;
  readonly timeoutMs: number | undefined;
  readonly halt: Halt | undefined;
  readonly keepOrder: boolean;
  readonly outputLimit: number;
  readonly resultsDir: string | undefined;
  readonly joblog: JobLog | undefined;
  /** Have the content of large files hashed as well. */
  readonly alwaysHash: boolean;
  /** How long a daemon with a full disk is waited for. */
  readonly patienceMs: number;
  readonly guard: Guard | undefined;
}

/** A file whose result is durable. */
export interface FileEnd {
  readonly file: string;
  readonly result: FileResult;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface RunnerHooks {
  /** In the order of the files, if that is to be kept. No more files are begun while many of these take their time. */
  ended(end: FileEnd): void | Promise<void>;
  /** The progress is another. */
  changed(): void;
  say(line: string): void;
}

/** Why a run has ended before all files were done. */
export interface Stop {
  readonly cause:
    | "interrupted"
    | "halted"
    | "paused"
    | "completed"
    | "failed"
    | "deleted"
    | "lease_lost"
    | "error";
  readonly reason: string;
  readonly error?: unknown;
}

export interface RunSummary {
  readonly done: number;
  readonly failed: number;
  /** Files that stay pending. */
  readonly pending: number;
  readonly stop: Stop | undefined;
}
