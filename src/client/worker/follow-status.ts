/** Tells whoever works for a worker when to wait, when to go on, and when to end. */
import { WorkerStopped } from "./stop.ts";

/** What is needed of the worker; see {@link WorkerSession}. */
export interface Followed {
  readonly signal: AbortSignal;
  resumed(signal?: AbortSignal): Promise<void>;
}

export interface StatusFollower {
  /** Called in the turn in which the worker learns of the pause. */
  paused(reason: WorkerStopped): void;
  /** The session is running again, and the worker's `session` is up to date. */
  resumed(): void;
  /** The work is to end: a WorkerStopped, or the error that ended the connection. Nothing is told later. */
  stopped(reason: unknown): void;
}

/** Tells the follower until the returned function is called. */
export function followStatus(worker: Followed, follower: StatusFollower): () => void {
  const over = new AbortController();
  const { signal: isOver } = over;
  let unwatch = () => {};
  const watch = () => {
    const { signal } = worker;
    const tell = () => void aborted(signal.reason);
    if (signal.aborted) return tell();
    signal.addEventListener("abort", tell, { once: true });
    unwatch = () => signal.removeEventListener("abort", tell);
  };
  const aborted = async (reason: unknown) => {
    if (!(reason instanceof WorkerStopped && reason.stopped === "paused")) return follower.stopped(reason);
    follower.paused(reason);
    try {
      await worker.resumed(isOver);
    } catch (error) {
      if (!isOver.aborted) follower.stopped(error);
      return;
    }
    if (isOver.aborted) return;
    follower.resumed();
    watch();
  };
  watch();
  return () => {
    over.abort();
    unwatch();
  };
}
