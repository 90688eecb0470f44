/** What becomes of the session of a run: before it, so that its worker finds all files pending, and after it. */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError } from "../client/http/connection-error.ts";
import type { SessionClient } from "../client/session-client.ts";
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import type { Session, Status } from "../session/session.ts";
import { markedProcesses, newMark } from "./mark.ts";
import { endAll } from "./processes.ts";
import type { RunSummary } from "./runner-options.ts";
import type { Selection } from "./selection.ts";

/** Tell what ran last, and where. */
export const commandLabel = "run.command";
export const directoryLabel = "run.directory";
/** The mark of a run, from before its first command until it has seen to its last one itself. */
const markLabel = "run.mark";

/** Whether a label is one of those that runs set. */
export function isRunLabel(key: string): boolean {
  return key === commandLabel || key === directoryLabel || key === markLabel;
}

const batchFiles = 5000;
const pollMs = 200;

export interface Opening {
  readonly client: SessionClient;
  /** Of a new session; generated if not given. */
  readonly id: string | undefined;
  /** As it was when the files were selected; its results are not needed any more. */
  readonly session: Session | undefined;
  readonly selection: Omit<Selection, "choices">;
  readonly labels: Readonly<Record<string, string>>;
  readonly targetPath: string;
  readonly worker: string;
  /** How long a daemon that is away is waited for. */
  readonly reconnectMs: number;
}

export interface Opened {
  readonly worker: WorkerSession;
  /** To be worked on, in this order. */
  readonly files: readonly string[];
  /** Files that were done before. */
  readonly restored: number;
  /** What its commands are to carry. */
  readonly mark: string;
}

/** The session; undefined if there is none. */
export async function findSession(client: SessionClient, id: string): Promise<Session | undefined> {
  try {
    return await client.getSession(id);
  } catch (error) {
    if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
    throw error;
  }
}

/**
 * Resolves when nobody works on the session. A worker that was lost is waited for until it may not come back any more.
 *
 * @throws SessiondError `lease_held` while somebody works on it
 */
export async function untilFree(
  client: SessionClient,
  id: string,
  say: (line: string) => void,
): Promise<void> {
  for (let isSaid = false; ; isSaid = true) {
    const worker = await workerOf(client, id);
    if (worker === null) return;
    const name = worker.name === null ? "another worker" : `"${worker.name}"`;
    if (worker.connected) {
      throw new SessiondError(
        "lease_held",
        `${name} is working on "${id}"; wait for it, or stop it with sessionctl pause`,
      );
    }
    if (!isSaid)
      say(`${name} lost its connection; waiting until it can no longer reconnect (worker.reattach_grace)`);
    await sleep(pollMs);
  }
}

async function workerOf(client: SessionClient, id: string) {
  try {
    return (await client.getSummary(id)).worker;
  } catch (error) {
    if (isSessiondError(error, "session_not_found", "session_deleted")) return null;
    throw error;
  }
}

/**
 * Creates or takes up the session, in steps that each leave it whole: whatever is interrupted, the same again goes on.
 * When it resolves this process is the session's worker, and nothing of an earlier run is at work any more.
 */
export async function openSession(opening: Opening): Promise<Opened> {
  const { client, selection, reconnectMs } = opening;
  const id = opening.session === undefined ? await create(opening) : await takeUp(opening, opening.session);
  const worker = await client.attach(id, { worker: opening.worker, reconnectMs, keepResults: false });
  try {
    const { processed_files, pending_files } = worker.session;
    const known = new Set(processed_files);
    for (const file of pending_files) known.add(file);
    const added = selection.added.filter((file) => !known.has(file));
    for (let at = 0; at < added.length; at += batchFiles) {
      await worker.report({ added: added.slice(at, at + batchFiles) });
    }
    const mark = await markRun(opening, worker);
    return { worker, files: worker.session.pending_files, restored: processed_files.length, mark };
  } catch (error) {
    // Nobody is at work on it, whatever it was before.
    await client.pauseSession(id, { reason: "a run could not start" }).catch(() => {});
    await worker.detach();
    throw error;
  }
}

async function create({ client, id, selection, targetPath }: Opening): Promise<string> {
  const session = await client.createSession({
    session_id: id,
    config: { target_path: targetPath },
    pending_files: selection.added.slice(0, batchFiles),
  });
  return session.session_id;
}

async function takeUp({ client, selection }: Opening, session: Session): Promise<string> {
  const { session_id: id, revision } = session;
  if (selection.again.length > 0) {
    const again = new Set(selection.again);
    // In one step, so that no file is ever in neither list; what was found stays until there is something newer.
    await client.checkpointSession(
      id,
      {
        processed_files: session.processed_files.filter((file) => !again.has(file)),
        pending_files: [...new Set([...session.pending_files, ...again])],
      },
      { ifRevision: revision },
    );
  }
  if (session.status === "paused") await client.resumeSession(id);
  else if (session.status !== "running") await client.reopenSession(id);
  return id;
}

/** Says what runs, after everything is ended that a runner has left which was killed together with its guard. */
async function markRun({ client, labels }: Opening, { session }: WorkerSession): Promise<string> {
  const earlier = session.labels?.[markLabel];
  if (earlier !== undefined && !(await endAll(() => markedProcesses(earlier)))) {
    throw new SessiondError(
      "lease_held",
      "commands of an earlier run are still running and could not be stopped; stop them, then try again",
    );
  }
  const mark = newMark();
  await client.editSession(session.session_id, { labels: { ...labels, [markLabel]: mark } });
  return mark;
}

export interface Finishing {
  readonly client: SessionClient;
  readonly worker: WorkerSession;
  readonly summary: RunSummary;
  /** Files that failed in earlier runs and were left alone. */
  readonly failedBefore: number;
  readonly reconnectMs: number;
}

/** Gives the session the status that the run leaves it in, and leaves it. Resolves with that status, if it was given one. */
export async function finishSession(finishing: Finishing): Promise<Status | undefined> {
  const { worker, client, reconnectMs } = finishing;
  // The result of a run that was given up is for the next one.
  if (!worker.isConnected) return undefined;
  const { session } = worker;
  const id = session.session_id;
  try {
    if (finishing.summary.stop?.cause !== "lease_lost") {
      await insist(reconnectMs, () => client.editSession(id, { labels: { [markLabel]: null } }));
    }
    const ending = endingOf(finishing);
    if (ending === undefined) return undefined;
    const isOurs = await insist(reconnectMs, () => client[ending.verb](id, { reason: ending.reason }));
    return isOurs ? ending.status : undefined;
  } finally {
    // A worker that is never left keeps its process, and the session from everybody else.
    await worker.detach();
  }
}

interface Ending {
  readonly verb: "completeSession" | "failSession" | "pauseSession";
  readonly status: Status;
  readonly reason: string | undefined;
}

/** None where somebody else has decided already. */
function endingOf({ worker, summary, failedBefore }: Finishing): Ending | undefined {
  const { stop, failed } = summary;
  const { session } = worker;
  if (stop !== undefined) {
    const isOurs = stop.cause === "interrupted" || stop.cause === "halted" || stop.cause === "error";
    // Whoever paused it may have resumed it while the last files were finishing: nobody would be at work on it.
    const isResumed = stop.cause !== "lease_lost" && worker.status === "running";
    return isOurs || isResumed ? { verb: "pauseSession", status: "paused", reason: stop.reason } : undefined;
  }
  if (session.status !== "running") return undefined;
  const pending = session.pending_files.length;
  if (pending > 0) {
    return {
      verb: "pauseSession",
      status: "paused",
      reason: `${pending} ${pending === 1 ? "file was" : "files were"} added during the run`,
    };
  }
  const failures = failedBefore + failed;
  if (failures === 0) return { verb: "completeSession", status: "completed", reason: undefined };
  const reason = `${failures} of ${session.processed_files.length} files failed`;
  return { verb: "failSession", status: "failed", reason };
}

/**
 * A daemon that is just starting again will take it. Twice is as good as once. Resolves with whether it was done: somebody else
 * may have been faster.
 */
async function insist(patienceMs: number, act: () => Promise<unknown>): Promise<boolean> {
  const began = performance.now();
  for (;;) {
    try {
      await act();
      return true;
    } catch (error) {
      if (isSessiondError(error, "invalid_transition", "session_deleted", "session_not_found")) return false;
      const mayPass =
        error instanceof ConnectionError || isSessiondError(error, "shutting_down", "storage_full");
      if (!mayPass || performance.now() - began > patienceMs) throw error;
      await sleep(pollMs);
    }
  }
}
