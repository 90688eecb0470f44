/** Why a worker should stop. */
import type { Status } from "../../session/session.ts";

/** The new status of the session, the end of the lease, or `detached` if the worker itself has detached. */
export type StopCause = Exclude<Status, "running"> | "deleted" | "lease_lost" | "detached";

const texts: Readonly<Record<StopCause, string>> = {
  paused: "was paused",
  completed: "was completed",
  failed: "was marked as failed",
  deleted: "was deleted",
  lease_lost: "no longer belongs to this worker: its lease has ended",
  detached: "was detached from by its worker",
};

/** The reason of a worker's aborted `signal`. */
export class WorkerStopped extends Error {
  /** Why the worker should stop. */
  readonly stopped: StopCause;

  constructor(sessionId: string, stopped: StopCause, reason: string | null = null) {
    super(`session "${sessionId}" ${texts[stopped]}${reason === null ? "" : ` (${reason})`}`);
    this.name = "WorkerStopped";
    this.stopped = stopped;
  }
}
