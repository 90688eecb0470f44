/** A script that makes a daemon do everything that it writes files for, and what is there after each step. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectionError } from "../../src/client/http/connection-error.ts";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { CleanupResult, HealthProblem } from "../../src/contract/replies.ts";
import { SessiondError } from "../../src/error.ts";
import { silentLogger } from "../../src/log.ts";
import { applyProgress, type ProgressDelta } from "../../src/session/command.ts";
import type { Session } from "../../src/session/session.ts";
import { parseSessionId } from "../../src/session/session-id.ts";
import { openDirectoryStore } from "../../src/store/directory/directory-store.ts";
import { encodeFrame } from "../../src/store/directory/journal/frame.ts";
import { progressRecord } from "../../src/store/directory/journal/record.ts";
import { systemClock } from "../../src/time/clock.ts";
import { expectIndexEqualsDirectory, readSessions } from "../e2e/directory.ts";
import { allSummaries } from "../support/all-summaries.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const config = { target_path: "/src" };

/** Sessions by their id, and the ids of those in the trash. */
export interface State {
  sessions: Record<string, Session>;
  trash: string[];
}

/** A report of one session. */
export type Report = [session_id: string, delta: ProgressDelta];

type Change = (client: SessionClient, dir: string) => Promise<unknown>;

/** One change, or reports that are all under way at the same time. */
export type Step = Change | readonly Report[];

const done = (...files: string[]): ProgressDelta => ({
  processed: files,
  results: Object.fromEntries(files.map((file) => [file, { score: file.length }])),
});

export const steps: readonly Step[] = [
  (client) => client.createSession({ session_id: "a", config, pending_files: ["1", "2", "3"] }),
  (client) => client.createSession({ session_id: "б/в", config, pending_files: ["x"] }),
  (client) => client.reportProgress("a", { processed: ["1"], results: { "1": { score: 0.5 } } }),
  [
    ["a", { added: ["4", "5"] }],
    ["б/в", done("w")],
    ["a", done("6", "7")],
    ["left", done("l2")],
  ],
  filesFollow,
  (client) => client.checkpointSession("б/в", { processed_files: ["x"], pending_files: ["y"] }),
  [
    ["a", done("8")],
    ["a", done("9")],
    ["б/в", done("z")],
  ],
  (client) => client.pauseSession("a", { reason: "lunch" }),
  (client) => client.createBackup("a"),
  (client) => client.resumeSession("a"),
  (client) => client.editSession("б/в", { labels: { team: "blue" } }),
  (client) => client.reportProgress("б/в", done("v")),
  (client) => client.deleteSession("б/в"),
  (client) => client.restoreTrash("б/в"),
  (client) => client.completeSession("б/в"),
  async (client) => settled(await client.runCleanup("completed", { keep_recent: 0 })),
  (client) => client.reportProgress("a", done("10")),
  // What was just reported is undone.
  async (client) => {
    // The oldest: restoring makes one itself.
    const backup = (await client.listBackups("a")).backups.at(-1);
    await client.restoreBackup("a", backup?.backup ?? "none");
  },
  (client) => client.reportProgress("a", done("11")),
  (client) => client.checkpointSession("a", { processed_files: ["1"], pending_files: ["11"] }),
  (client) => client.createSession({ session_id: "c", config }),
  (client) => client.reportProgress("c", done("1")),
  (client) => client.deleteSession("c", { purge: true }),
  (client) => client.createSession({ session_id: "c", config, pending_files: ["2"] }),
  (client) => client.emptyTrash(),
  (client) => client.failSession("a"),
  // What a daemon that is told to stop has to do something about.
  [
    ["c", done("2")],
    ["left", done("l3", "l4")],
  ],
];

/**
 * A daemon with these options writes files some time after they were reported on, but while the script runs.
 */
export const daemonConfig = "storage: { max_lag: 50ms }\n";

/**
 * Fills a directory with what daemons leave that were killed: reports that no file holds, and in the end a
 * part of a write. Sectors of that are missing, as after a power cut: a part without gaps would be damage.
 */
export async function leaveKilled(dir: string): Promise<void> {
  let daemon = await startDaemon({ dir, config: "storage: { max_lag: 10min }\n" });
  await daemon.client.createSession({ session_id: "left", config, pending_files: ["l1", "l2", "l3"] });
  for (const file of ["l0", "l1"]) {
    await daemon.client.reportProgress("left", done(file));
    daemon.kill("SIGKILL");
    await daemon.exited;
    if (file === "l0") daemon = await daemon.restart();
  }
  const journal = join(dir, ".sessiond", "journal");
  const segments = readdirSync(journal).filter((name) => name.endsWith(".log"));
  const last = join(journal, segments.sort().at(-1) ?? "none");
  const bytes = readFileSync(last);
  const report = { generation: 0n, revision: 99, time: 0, payload: Buffer.alloc(2000, "x") };
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  encodeFrame(1000, [progressRecord("left", report)]).copy(bytes, end, 0, 700);
  writeFileSync(last, bytes);
}

async function filesFollow(client: SessionClient, dir: string): Promise<void> {
  let gone: ConnectionError | undefined;
  await eventually(() =>
    expectIndexEqualsDirectory(client, dir).catch((error: unknown) => {
      // A daemon that is gone writes no more files.
      if (!(error instanceof ConnectionError)) throw error;
      gone = error;
    }),
  );
  if (gone !== undefined) throw gone;
}

/** A pass never rejects: what it could not do is in its result, and then some of it may have been done. */
function settled({ outcome, failures, warnings }: CleanupResult): void {
  if (outcome === "done" && failures.length === 0) return;
  const why = failures[0]?.message ?? warnings.join("; ");
  throw new SessiondError("storage_failed", why, { outcome: "unknown" });
}

export async function stateOf(client: SessionClient): Promise<State> {
  const sessions: State["sessions"] = {};
  for await (const { session_id } of client.allSessions())
    sessions[session_id] = comparable(await client.getSession(session_id));
  const { entries } = await client.listTrash();
  return { sessions, trash: entries.map((entry) => entry.session_id) };
}

/**
 * What the next start finds, and then leaves in the files. The store is opened in this process: starting a
 * daemon for it takes most of the time of a test. An interrupted write is no problem here: nobody was
 * promised what it held.
 */
export async function stateAtStart(directory: string): Promise<{ state: State; problems: HealthProblem[] }> {
  const clock = systemClock();
  const store = await openDirectoryStore({
    directory,
    rescanIntervalMs: 60_000,
    clock,
    logger: silentLogger,
  });
  try {
    const sessions: State["sessions"] = {};
    for (const { session_id } of await allSummaries(store)) {
      const { session } = await store.read(parseSessionId(session_id));
      sessions[session_id] = comparable(session);
    }
    const { entries } = await store.listTrash();
    const state = { sessions, trash: entries.map((entry) => entry.session_id) };
    const problems = (await store.health()).filter(({ code }) => code !== "journal_torn");
    return { state, problems };
  } finally {
    await store.close();
  }
}

/** What the session files hold. */
export function filesOf(directory: string): State["sessions"] {
  const sessions: State["sessions"] = {};
  for (const [id, { bytes: _, ...session }] of readSessions(directory))
    sessions[id] = comparable(session as Session);
  return sessions;
}

/** What is there after some reports more. */
export function reported(state: State, reports: readonly Report[]): State {
  const sessions = { ...state.sessions };
  for (const [id, delta] of reports) {
    const session = sessions[id] as Session;
    sessions[id] = comparable({ ...session, ...applyProgress(session, delta) });
  }
  return { ...state, sessions };
}

/** Without what is different each time; reports that are under way at the same time arrive in any order. */
function comparable(session: Session): Session {
  const { checkpoint_time: _, created_time: __, generation: ___, revision: ____, ...rest } = session;
  const results = Object.entries(session.partial_results).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...(rest as Session),
    processed_files: [...session.processed_files].sort(),
    pending_files: [...session.pending_files].sort(),
    partial_results: Object.fromEntries(results),
  };
}
