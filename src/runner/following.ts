/**
 * Tells a run what becomes of its worker: the session is paused or resumed, the work is to end, the
 * connection is lost or back.
 */
import { followStatus, type StatusFollower } from "../client/worker/follow-status.ts";
import { WorkerStopped } from "../client/worker/stop.ts";
import type { RunWorker } from "./run-session.ts";
import type { Stop } from "./runner-options.ts";

const connectionPollMs = 250;

export interface Following extends StatusFollower {
  connection(isConnected: boolean): void;
}

/** Tells until the returned function is called. */
export function follow(worker: RunWorker, following: Following): () => void {
  let wasConnected = true;
  const tellConnection = () => {
    const { isConnected } = worker;
    if (isConnected === wasConnected) return;
    wasConnected = isConnected;
    following.connection(isConnected);
  };
  const watch = setInterval(tellConnection, connectionPollMs);
  const unfollow = followStatus(worker, following);
  return () => {
    clearInterval(watch);
    tellConnection();
    unfollow();
  };
}

/** Why the run ends when its worker has stopped; undefined if the run itself has ended the worker. */
export function stopFor(reason: unknown): Stop | undefined {
  if (!(reason instanceof WorkerStopped)) return stopAfter(reason);
  const { stopped, message } = reason;
  return stopped === "detached" ? undefined : { cause: stopped, reason: message };
}

/** Why the run ends after an error. */
export function stopAfter(error: unknown): Stop {
  return { cause: "error", reason: error instanceof Error ? error.message : String(error), error };
}
