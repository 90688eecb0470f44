/** Gives the session of a run its status at the end. */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError } from "../client/http/connection-error.ts";
import type { SessionClient } from "../client/session-client.ts";
import { isSessiondError } from "../error.ts";
import type { Session, Status } from "../session/session.ts";
import { FullDisk } from "./full-disk.ts";
import type { OwnSession, RunSession } from "./run-session.ts";
import type { RunSummary } from "./runner-options.ts";

/** What a daemon answers that will be away, or whose storage is. */
const away = ["shutting_down", "storage_unavailable"] as const;
const retryDelayMs = 200;

export interface Finishing {
  readonly client: SessionClient;
  readonly session: RunSession;
  readonly summary: RunSummary;
  /** Why files may be missing from the session; undefined if none are. */
  readonly unseen: string | undefined;
  readonly reconnectMs: number;
  /** Takes a line for people, such as that the disk is full. */
  say(line: string): void;
}

/** Sets the final status of the session and detaches the worker. Resolves with the status, if it set one. */
export async function finishSession(
  finishing: Finishing & { session: OwnSession },
): Promise<Status | undefined> {
  const { client, reconnectMs } = finishing;
  const { worker, id } = finishing.session;
  if (!isToBeFinished(finishing)) return undefined;
  const disk = new FullDisk(reconnectMs, (line) => finishing.say(line));
  try {
    if (finishing.summary.stop?.cause !== "lease_lost") {
      await retryUntilDone(reconnectMs, disk, () => client.editSession(id, { run: { mark: null } }));
    }
    const ending = endingOf(finishing.session.worker.session, finishing);
    if (ending === undefined) return undefined;
    const isOurs = await retryUntilDone(reconnectMs, disk, () =>
      client[ending.verb](id, { reason: ending.reason }),
    );
    return isOurs ? ending.status : undefined;
  } finally {
    // A worker that is not detached would keep this process alive and the session leased.
    await worker.detach();
  }
}

/**
 * Whether to wait for the daemon, if it is away, in order to say what becomes of the session. Whoever
 * interrupts a run does not wait: the session is paused when the lease ends.
 */
export function isToBeFinished({ session, summary: { stop } }: Finishing): boolean {
  return (
    session.worker.isConnected ||
    (stop?.cause !== "interrupted" && stop?.cause !== "error" && stop?.cause !== "lease_lost")
  );
}

export interface Ending {
  readonly verb: "completeSession" | "failSession" | "pauseSession";
  readonly status: Status;
  readonly reason: string | undefined;
}

/** Undefined if somebody else has decided the status already. */
function endingOf(
  { processed_files, pending_files, status }: Session,
  { summary, unseen }: Finishing,
): Ending | undefined {
  const { stop, failed, failedEarlier } = summary;
  if (stop !== undefined) {
    if (stop.cause === "lease_lost") return undefined;
    // Also if somebody else has stopped the run: if the session was resumed or reopened since, it would be
    // running without a worker. Otherwise the pause is refused, and changes nothing.
    return { verb: "pauseSession", status: "paused", reason: stop.reason };
  }
  if (status !== "running") return undefined;
  return endOfWork({
    failures: failedEarlier + failed,
    processed: processed_files.length,
    pending: pending_files.length,
    unseen,
  });
}

export interface Work {
  readonly failures: number;
  readonly processed: number;
  readonly pending: number;
  /** Why files may be missing from the session; undefined if none are. */
  readonly unseen: string | undefined;
}

/** What becomes of a session whose run has nothing left to do. */
export function endOfWork({ failures, processed, pending, unseen }: Work): Ending {
  if (pending > 0) {
    return {
      verb: "pauseSession",
      status: "paused",
      reason: `${pending} ${pending === 1 ? "file was" : "files were"} added during the run`,
    };
  }
  const reason = failures === 0 ? undefined : `${failures} of ${processed} files failed`;
  if (unseen !== undefined) {
    const why = reason === undefined ? unseen : `${unseen}; ${reason}`;
    return { verb: "pauseSession", status: "paused", reason: why };
  }
  if (reason === undefined) return { verb: "completeSession", status: "completed", reason };
  return { verb: "failSession", status: "failed", reason };
}

/**
 * Retries an idempotent change while the daemon restarts or its disk is full. Resolves with false if somebody
 * else has changed the status first.
 */
export async function retryUntilDone(
  patienceMs: number,
  disk: FullDisk,
  act: () => Promise<unknown>,
): Promise<boolean> {
  const began = performance.now();
  let isUnsure = false;
  for (;;) {
    try {
      await act();
      disk.taken();
      return true;
    } catch (error) {
      // It may be the attempt that had no answer which has changed it.
      if (isSessiondError(error, "invalid_transition")) return isUnsure;
      if (isSessiondError(error, "session_deleted", "session_not_found")) return false;
      const isAway = error instanceof ConnectionError || isSessiondError(error, ...away);
      isUnsure ||= isAway && error.outcome === "unknown";
      const isFull = isSessiondError(error, "storage_full");
      if (!(isFull || isAway) || performance.now() - began > patienceMs) throw error;
      if (isFull) disk.refused();
      await sleep(retryDelayMs);
    }
  }
}
