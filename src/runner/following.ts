/** Tells a run what becomes of its worker: the work is to end, the connection is lost or back. */
import type { WorkerSession } from "../client/worker/worker-session.ts";

const connectionPollMs = 250;

export interface Following {
  /** The run is to end: a WorkerStopped, or the error that ended the connection. */
  stopped(reason: unknown): void;
  connection(isConnected: boolean): void;
}

/** The returned function ends this. */
export function follow(worker: WorkerSession, following: Following): () => void {
  const { signal } = worker;
  const onAbort = () => following.stopped(signal.reason);
  signal.addEventListener("abort", onAbort);
  let wasConnected = true;
  const tellConnection = () => {
    const { isConnected } = worker;
    if (isConnected === wasConnected) return;
    wasConnected = isConnected;
    following.connection(isConnected);
  };
  const watch = setInterval(tellConnection, connectionPollMs);
  if (signal.aborted) onAbort();
  return () => {
    clearInterval(watch);
    tellConnection();
    signal.removeEventListener("abort", onAbort);
  };
}
