/**
 * Prepares the session of a run, so that its worker finds the files pending, and gives it a status at the
 * end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError } from "../client/http/connection-error.ts";
import type { SessionClient } from "../client/session-client.ts";
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import type { Session, Status } from "../session/session.ts";
import { shellOperand } from "../text/shell-quote.ts";
import { markedProcesses, newMark } from "./mark.ts";
import { endAll } from "./processes.ts";
import type { RunSummary } from "./runner-options.ts";
import type { Selection } from "./selection.ts";
import { unseenLabel } from "./unseen.ts";

/** Labels that record the last command and its directory. */
export const commandLabel = "run.command";
export const directoryLabel = "run.directory";
/** Label with the mark of a run, set from before its first command until its last one has ended. */
const markLabel = "run.mark";

/** Whether a label is one of those that runs set. */
export function isRunLabel(key: string): boolean {
  return [commandLabel, directoryLabel, markLabel, unseenLabel].includes(key);
}

const batchFiles = 5000;
const pollMs = 200;

export interface Opening {
  readonly client: SessionClient;
  /** Id of a new session; generated if not given. */
  readonly id: string | undefined;
  /** The reply from when the files were selected, or a copy of it without the results and with its tag. */
  readonly session: Session | undefined;
  readonly selection: Omit<Selection, "choices">;
  /** Null removes a label. */
  readonly labels: Readonly<Record<string, string | null>>;
  readonly targetPath: string;
  readonly worker: string;
  /** Milliseconds to try to reconnect to the daemon. */
  readonly reconnectMs: number;
}

export interface Opened {
  readonly worker: WorkerSession;
  /** Files to run, in this order. */
  readonly files: readonly string[];
  /** Number of files processed in earlier runs. */
  readonly restored: number;
  /** The mark for the environment of its commands. */
  readonly mark: string;
}

/** The session; undefined if it does not exist. */
export async function findSession(client: SessionClient, id: string): Promise<Session | undefined> {
  try {
    return await client.getSession(id);
  } catch (error) {
    if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
    throw error;
  }
}

/**
 * Resolves when the session has no worker. Waits for a worker that lost its connection until it can no longer
 * reconnect.
 *
 * @throws SessiondError `lease_held` if a worker is connected
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
        `${name} is working on "${id}"; wait for it, or stop it with: sessionctl pause ${shellOperand(id)}`,
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
 * Creates or continues the session, in steps that can each be interrupted: the same command continues
 * afterwards. When it resolves, this process is the worker of the session, and no command of an earlier run
 * is left.
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
    // No worker is left, so the session must not stay running.
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
  const { session_id: id } = session;
  if (selection.again.length > 0) {
    // In one step, so that no file is ever in neither list. Earlier results stay until they are replaced.
    // A document of another program may name files twice, which a checkpoint may not.
    const pending = new Set([...session.pending_files, ...selection.again]);
    await client.checkpointSession(
      id,
      {
        processed_files: [...new Set(session.processed_files)].filter((file) => !pending.has(file)),
        pending_files: [...pending],
      },
      { ifUnchanged: session },
    );
  }
  if (session.status === "paused") await client.resumeSession(id);
  else if (session.status !== "running") await client.reopenSession(id);
  return id;
}

/** Stops commands of an earlier run whose runner and guard were both killed, then labels this run. */
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
  /** Files that failed in earlier runs and were not run again. */
  readonly failedBefore: number;
  /** Why files may be missing from the session; undefined if none are. */
  readonly unseen: string | undefined;
  readonly reconnectMs: number;
}

/** Sets the final status of the session and detaches the worker. Resolves with the status, if it set one. */
export async function finishSession(finishing: Finishing): Promise<Status | undefined> {
  const { worker, client, reconnectMs } = finishing;
  // Without a connection the status cannot be set; the next run will do it.
  if (!worker.isConnected) return undefined;
  const { session } = worker;
  const id = session.session_id;
  try {
    if (finishing.summary.stop?.cause !== "lease_lost") {
      await retryUntilDone(reconnectMs, () => client.editSession(id, { labels: { [markLabel]: null } }));
    }
    const ending = endingOf(finishing);
    if (ending === undefined) return undefined;
    const isOurs = await retryUntilDone(reconnectMs, () =>
      client[ending.verb](id, { reason: ending.reason }),
    );
    return isOurs ? ending.status : undefined;
  } finally {
    // A worker that is not detached would keep this process alive and the session leased.
    await worker.detach();
  }
}

interface Ending {
  readonly verb: "completeSession" | "failSession" | "pauseSession";
  readonly status: Status;
  readonly reason: string | undefined;
}

/** Undefined if somebody else has decided the status already. */
function endingOf({ worker, summary, failedBefore, unseen }: Finishing): Ending | undefined {
  const { stop, failed } = summary;
  const { session } = worker;
  if (stop !== undefined) {
    const isOurs = stop.cause === "interrupted" || stop.cause === "halted" || stop.cause === "error";
    // If somebody paused and resumed it while the last files finished, it would be running without a worker.
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
  const reason = failures === 0 ? undefined : `${failures} of ${session.processed_files.length} files failed`;
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
async function retryUntilDone(patienceMs: number, act: () => Promise<unknown>): Promise<boolean> {
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
