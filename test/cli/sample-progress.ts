/** Sample values of what a run and a session are doing. */
import type { AttachedWorker, ListedSession } from "../../src/contract/replies.ts";
import type { RunSnapshot } from "../../src/runner/snapshot.ts";
import type { Status } from "../../src/session/session.ts";

export function progressOf(given: Partial<RunSnapshot> = {}): RunSnapshot {
  const progress = {
    sessionId: "nightly",
    restored: 0,
    failedBefore: 0,
    done: 0,
    failed: 0,
    pending: 0,
    running: [],
    startedMs: 0,
    nowMs: 0,
    budgets: [],
    share: undefined,
    draining: undefined,
    hold: undefined,
    heldMs: 0,
    disconnected: false,
    slowedTo: undefined,
    deferred: 0,
    waiting: undefined,
    ...given,
  };
  const { restored, failedBefore, done, failed, pending, running } = progress;
  return { total: restored + failedBefore + done + failed + pending + running.length, ...progress };
}

export function sessionOf(
  session_id: string,
  status: Status,
  given: Partial<ListedSession> = {},
): ListedSession {
  return {
    session_id,
    status,
    status_reason: null,
    target_path: "/srv/project",
    checkpoint_time: "2026-01-02T03:04:05.000000Z",
    created_time: "2026-01-02T03:00:00.000000Z",
    generation: "g",
    revision: 3,
    labels: {},
    pinned: false,
    processed_count: 0,
    pending_count: 0,
    bytes: 1000,
    workers: [],
    ...given,
  };
}

/** A worker that attached two minutes before the time of the samples. */
export function workerOf(name: string | null, given: Partial<AttachedWorker> = {}): AttachedWorker {
  return {
    epoch: 1,
    name,
    host: null,
    since: "2026-01-02T03:02:08.000000Z",
    claimed: 0,
    connected: true,
    shared: false,
    ...given,
  };
}
