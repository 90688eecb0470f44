/** The options of {@link SessionClient} and its calls. */
import type { CallOptions } from "./http/http.ts";

export interface SessionClientOptions {
  /**
   * The path of the daemon's socket. Default: `$SESSIOND_SOCKET` if set, else the daemon of the nearest store
   * (a directory `.sessions` in the working directory or above), which is started if it does not run, else
   * the user's own service if its socket exists, else the system service.
   */
  socketPath?: string | undefined;
  /** The timeout of each call, in milliseconds; 0 waits without limit. Default: 60 000. */
  timeoutMs?: number | undefined;
  /**
   * Whether a number in a reply that JavaScript would spell in another way, such as 85.0 or 1e23, is an
   * `ExactNumber`, which keeps its spelling when it is written again. If false, it is a plain number wherever
   * that holds the value. Default: false. A worker's session has plain numbers in both cases.
   */
  keepSpelling?: boolean | undefined;
}

/** Options of a change that may depend on the session's present state. */
export interface ChangeCallOptions extends CallOptions {
  /**
   * Change the session only if it is still in the state that this reply describes, else `revision_mismatch`
   * is thrown. It is what a method for one session has returned, such as `getSession` or `getSummary`: the
   * object itself, not a copy. A session that was deleted and created anew is never in an earlier state.
   */
  ifUnchanged?: object | undefined;
}

export interface SaveOptions extends ChangeCallOptions {
  /** Only create the session; `revision_mismatch` is thrown if it exists. */
  ifAbsent?: boolean | undefined;
}

export interface TransitionOptions extends CallOptions {
  /** Stored as the session's `status_reason`; at most 4096 characters. */
  reason?: string | undefined;
}

export interface RequeueOptions extends CallOptions {
  /**
   * ISO 8601: leave alone what is not processed, and files whose result has a `finished_time` that is not
   * before this. So several programs can requeue the same files without running any of them twice.
   */
  unlessFinishedSince?: string | undefined;
}

export interface AttachOptions extends CallOptions {
  /** A name for the worker, which people see in lists; 1 to 200 characters. */
  worker?: string | undefined;
  /**
   * How long to try to reconnect after a lost connection, in milliseconds; 0 does not try. Default: 60 000.
   */
  reconnectMs?: number | undefined;
  /**
   * Whether the worker's `session.partial_results` contains the results of the session. If false, it is
   * empty, and the worker's memory does not grow with the results. Default: true.
   */
  keepResults?: boolean | undefined;
  /**
   * Whether other workers may be attached at the same time. A shared worker knows the summary of its session
   * and what it has claimed, but neither the files nor the results, so `keepResults` has no effect. Default:
   * false.
   */
  shared?: boolean | undefined;
}
