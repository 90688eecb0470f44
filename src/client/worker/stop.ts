import type { Status } from "../../session/session.ts";

/** What a worker stops for: the status of its session, the end of its lease, or its own leave. */
export type StopCause = Exclude<Status, "running"> | "deleted" | "lease_lost" | "detached";

const texts: Readonly<Record<StopCause, string>> = {
  paused: "was paused",
  completed: "was completed",
  failed: "was marked as failed",
  deleted: "was deleted",
  lease_lost: "is no longer this worker's: its lease is over",
  detached: "was left by its worker",
};

/** The reason of the `signal` of a worker that is to stop. */
export class WorkerStopped extends Error {
  readonly stopped: StopCause;

  constructor(sessionId: string, stopped: StopCause, reason: string | null = null) {
    super(`session "${sessionId}" ${texts[stopped]}${reason === null ? "" : ` (${reason})`}`);
    this.name = "WorkerStopped";
    this.stopped = stopped;
  }
}
