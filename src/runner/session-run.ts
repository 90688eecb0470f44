/** Prepares the session of a run, so that its worker finds the files pending. */
import { setTimeout as sleep } from "node:timers/promises";
import type { AttachOptions } from "../client/options.ts";
import type { SessionClient } from "../client/session-client.ts";
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import { isJsonObject, type JsonObject, memberOf, stringifyJson } from "../json/exact-json.ts";
import { changeRun, type RunChanges } from "../session/run-memory.ts";
import type { Session } from "../session/session.ts";
import { shellOperand } from "../text/shell-quote.ts";
import { BeginAnew } from "./begin-anew.ts";
import { leftProcesses, newMark } from "./mark.ts";
import { endAll } from "./processes.ts";
import { OwnSession, type RunSession, type RunWorker } from "./run-session.ts";
import type { Selection } from "./selection.ts";

const batchFiles = 5000;
/** Between two looks whether the session is free. */
const pollMs = 200;

export interface Opening {
  readonly client: SessionClient;
  /** Id of a new session; generated if not given. */
  readonly id: string | undefined;
  /** The reply from when the files were selected, or a copy of it without the results and with its tag. */
  readonly session: Session | undefined;
  readonly selection: Omit<Selection, "choices">;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether the results of earlier runs are needed. */
  readonly needsResults: boolean;
  /** What the session is to remember. */
  readonly run: NonNullable<RunChanges>;
  readonly targetPath: string;
  readonly worker: string;
  /** Milliseconds to try to reconnect to the daemon. */
  readonly reconnectMs: number;
}

export interface Opened {
  readonly session: RunSession;
  /** The results of earlier runs; empty if they are not needed. */
  readonly results: JsonObject;
  /** The mark for the environment of its commands. */
  readonly mark: string;
}

/** The session; undefined if it does not exist. */
export function findSession(client: SessionClient, id: string): Promise<Session | undefined> {
  return unlessMissing(client.getSession(id));
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
    const summary = await unlessMissing(client.getSummary(id));
    if (summary === undefined) return;
    const { workers, status } = summary;
    const worker = workers.find(({ connected }) => connected) ?? workers[0];
    if (worker === undefined) return;
    const name = worker.name === null ? "another worker" : `"${worker.name}"`;
    if (worker.connected) {
      throw new SessiondError(
        "lease_held",
        worker.shared
          ? shared(id, workers.length)
          : status === "paused"
            ? `${name} works on "${id}" and waits; to let it go on: sessionctl resume ${shellOperand(id)}`
            : `${name} is working on "${id}"; wait for it, or pause it with: sessionctl pause ${shellOperand(id)}`,
      );
    }
    if (!isSaid)
      say(`${name} lost its connection; waiting until it can no longer reconnect (worker.reattach_grace)`);
    await sleep(pollMs);
  }
}

function shared(id: string, workers: number): string {
  const who = workers === 1 ? "a worker shares" : `${workers} workers share`;
  return `${who} "${id}"; to join: sessionctl run --share ${shellOperand(id)}`;
}

/** Undefined if the reply says that the session does not exist. */
async function unlessMissing<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
    throw error;
  }
}

/**
 * Creates or continues the session, in steps that can each be interrupted: the same command continues
 * afterwards. When it resolves, this process is the worker of the session, and no command of an earlier run
 * is left.
 */
export async function openSession(opening: Opening): Promise<Opened & { session: OwnSession }> {
  const { client, selection, reconnectMs } = opening;
  const id =
    opening.session === undefined ? await createSession(opening) : await takeUp(opening, opening.session);
  const worker = await attachAlone(client, id, { worker: opening.worker, reconnectMs, keepResults: false });
  try {
    // First, so that after a crash no file is pending for the command of an earlier run.
    const mark = await remember(opening, worker.session);
    await addFiles(worker, selection.added, worker.session);
    // Nobody else can report now, so they are the last ones.
    const results = opening.needsResults ? (await client.getSession(id)).partial_results : {};
    return { session: new OwnSession(worker, selection.failedBefore), results, mark };
  } catch (error) {
    // No worker is left, so the session must not stay running.
    await client.pauseSession(id, { reason: "a run could not start" }).catch(() => {});
    await worker.detach();
    throw error;
  }
}

/** @throws BeginAnew if somebody has the session: who that is, is said or waited for at the beginning */
async function attachAlone(
  client: SessionClient,
  id: string,
  options: AttachOptions,
): Promise<WorkerSession> {
  try {
    return await client.attach(id, { ...options, shared: false });
  } catch (error) {
    // It may be this run, if the daemon was killed before it could answer.
    throw isSessiondError(error, "lease_held") ? new BeginAnew(error) : error;
  }
}

/** Adds the files that the session does not know yet. */
export async function addFiles(
  worker: RunWorker,
  files: readonly string[],
  { processed_files, pending_files }: Pick<Session, "processed_files" | "pending_files">,
): Promise<void> {
  const known = new Set(processed_files);
  for (const file of pending_files) known.add(file);
  const added = files.filter((file) => !known.has(file));
  for (let at = 0; at < added.length; at += batchFiles) {
    await worker.report({ added: added.slice(at, at + batchFiles) });
  }
}

/**
 * Remembers the options of a run that finds nothing to do. The command and what it depends on belong to
 * results, so a run remembers them that makes some.
 */
export async function rememberOptions({ client, session, run }: Opening): Promise<void> {
  if (session === undefined || !isJsonObject(session.run)) return;
  const { command, shell, depends, ...options } = run;
  if (stringifyJson(changeRun(session.run, options)) === stringifyJson(session.run)) return;
  await client.editSession(session.session_id, { run: options });
}

/** Creates the session with its first files. Resolves with its id. @throws BeginAnew if it exists by now */
export async function createSession({
  client,
  id,
  selection,
  targetPath,
  labels,
  run,
}: Opening): Promise<string> {
  try {
    const session = await client.createSession({
      session_id: id,
      config: { target_path: targetPath },
      pending_files: selection.added.slice(0, batchFiles),
      labels,
      run: changeRun(undefined, run),
    });
    return session.session_id;
  } catch (error) {
    throw isSessiondError(error, "session_exists") ? new BeginAnew(error) : error;
  }
}

async function takeUp({ client, selection, run }: Opening, session: Session): Promise<string> {
  const { session_id: id } = session;
  if (selection.again.length > 0) {
    // First, so that after a crash no file is pending for the command of an earlier run.
    const remembered = await client.editSession(id, { run }, { ifUnchanged: session });
    // In one step, so that no file is ever in neither list. Earlier results stay until they are replaced.
    // A document of another program may name files twice, which a checkpoint may not.
    const pending = new Set([...session.pending_files, ...selection.again]);
    await client.checkpointSession(
      id,
      {
        processed_files: [...new Set(session.processed_files)].filter((file) => !pending.has(file)),
        pending_files: [...pending],
      },
      { ifUnchanged: remembered },
    );
  }
  await goOn(client, session);
  return id;
}

/** Sets the session back to running. */
export async function goOn(
  client: SessionClient,
  { session_id: id, status }: Pick<Session, "session_id" | "status">,
): Promise<void> {
  if (status === "paused") await client.resumeSession(id);
  else if (status !== "running") await client.reopenSession(id);
}

/**
 * Stops commands of an earlier run whose runner and guard were both killed. Then the session remembers this
 * run, with a mark from before its first command until its last one has ended. Runs that share the session
 * have one mark: whoever joins takes over that of the others, who are at work.
 */
export async function remember(
  { client, labels, run }: Opening,
  session: Pick<Session, "session_id" | "run">,
  { joins = false }: { joins?: boolean } = {},
): Promise<string> {
  const earlier = markIn(session);
  if (earlier !== undefined && !(await endAll(() => leftProcesses(earlier, { ofEnded: joins })))) {
    throw new SessiondError(
      "lease_held",
      "commands of an earlier run are still running and could not be stopped; stop them, then try again",
    );
  }
  const mark = joins && earlier !== undefined ? earlier : newMark();
  await client.editSession(session.session_id, { labels, run: { ...run, mark } });
  return mark;
}

function markIn({ run }: Pick<Session, "run">): string | undefined {
  const mark = memberOf(run, "mark");
  return typeof mark === "string" ? mark : undefined;
}
