/**
 * What a scenario is: a session, and what the played daemon does to its worker.
 *
 * The room conformance/ owns the check of a worker in any language: a played daemon that is as difficult as
 * the worker channel allows, and what a right worker does then. It knows no store, and not the real server.
 */
import type { ClosingCode, DaemonMessage } from "../contract/channel.ts";
import type { ErrorCode } from "../error.ts";
import type { Status } from "../session/session.ts";
import type { Manner } from "./line-writer.ts";
import type { PlayedSession } from "./played-session.ts";

export interface Scenario {
  readonly name: string;
  /** What the daemon does, and what a worker is to do then. */
  readonly about: string;
  /** Which kind of worker meets it; both by default. */
  readonly kind?: "exclusive" | "shared";
  readonly id?: string;
  readonly files: readonly string[];
  /** Further keys of the configuration, and the results at the start, as JSON texts. */
  readonly config?: string;
  readonly results?: string;
  /** Whether the session is paused at the start. */
  readonly isPaused?: boolean;
  /** How many of the first files another worker has claimed at the start. */
  readonly claimedByOther?: number;
  /** The most files that one claim is given. */
  readonly mostAClaim?: number;
  readonly manner?: Manner;
  readonly acks?: AckPolicy;
  /** The lines that are sent for a message, without their ends. */
  readonly encode?: (message: DaemonMessage) => readonly string[];
  /** Called at the start, before the worker is started. */
  readonly begin?: (stage: Stage) => void;
  /** Refuses an attempt to attach before the upgrade. Attempts count from 1. */
  readonly refuse?: (attempt: number) => ErrorCode | undefined;
  /** Called when `attached` has been sent on a connection. Connections count from 1. */
  readonly attached?: (connection: number, stage: Stage) => void;
  /** Each happens once, in this order, at most one for a report. */
  readonly steps?: readonly Step[];
}

export interface AckPolicy {
  readonly afterMs: number;
  /** Whether one ack answers all reports that came in this time. */
  readonly isTogether: boolean;
}

export interface Step {
  /** It happens at the report with which so many files have been reported, repeated ones included. */
  readonly after: number;
  readonly act: (stage: Stage) => Fate;
}

/**
 * What becomes of the report: `keep`, it is kept and acknowledged. `silent`: it is kept. `drop`: it is not
 * kept. After `silent` and `drop` the connection answers and keeps nothing more. A refusal is answered with
 * `error`.
 */
export type Fate = "keep" | "silent" | "drop" | Refusal;

export interface Refusal {
  readonly code: ErrorCode;
  /** Whether the worker is told that the outcome is unknown, and whether the report was kept. */
  readonly unknown?: { readonly isKept: boolean };
}

/** What a scenario can do. */
export interface Stage {
  readonly session: PlayedSession;
  /** Runs this later, unless the scenario is over by then. */
  later(ms: number, act: () => void): void;
  /** Changes the status and tells the worker. */
  status(status: Status | "deleted", reason?: string): void;
  /** Sends this text as it is. */
  send(text: string): void;
  /** Ends the connection without a word. Nothing more is read from it. */
  cut(): void;
  /**
   * Sends `closing` and ends the connection. Nothing more is read from it. If the code means that the lease
   * is over, the worker must stop: it may not attach again, and may leave any work undone.
   */
  close(code: ClosingCode, detail: string): void;
  /** Is killed when the next claim is durable, before it is answered. */
  loseNextClaim(): void;
  /** Answers the next claim with an error. */
  refuseNextClaim(): void;
  /** Is killed before it has read the next `detach`. */
  loseNextDetach(): void;
  /** Holds acknowledgements back for so long. */
  holdAcks(ms: number): void;
  /** Reads nothing from the worker for so long. */
  stopReading(ms: number): void;
  /** Nobody listens at the socket for so long. */
  goDown(ms: number): void;
  /** From now on the worker may leave with work undone: `leave`, with any exit status; `fail`, not with 0. */
  mayEnd(how: "leave" | "fail"): void;
  /** What `mayEnd` has allowed is over. */
  mustFinish(): void;
  /** From so many milliseconds from now on, and with more than so many files, a report is a fault. */
  expectNoReports(limits: { afterMs: number; mostFiles?: number }): void;
  /** Reports are no fault any more, and a worker that goes on must finish. */
  resumed(): void;
}

/** So many file names. */
export function names(count: number, prefix = "src/file-"): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at + 1}.py`);
}
