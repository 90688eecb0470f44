/** The start after a run that may not have ended well: what the journal holds goes into the JSON files. */
import type { HealthProblem } from "../contract/replies.ts";
import { isSessiondError } from "../error.ts";
import { parseJson } from "../json.ts";
import type { Logger } from "../log.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { Session } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import type { FileCatalog } from "./file-catalog.ts";
import type { Journal } from "./journal/journal.ts";
import { readJournal, type SessionReports } from "./journal/recovery.ts";
import type { LiveSessions, Restored } from "./live-sessions.ts";
import type { Reports } from "./reports.ts";
import { maxStoredDepth } from "./session-file.ts";
import type { SessionFiles } from "./session-files.ts";

export interface ReplayOptions {
  journal: Journal;
  catalog: FileCatalog;
  sessions: SessionFiles;
  reports: Reports;
  lives: LiveSessions;
  quarantine: string;
  logger: Logger;
}

/** Resolves with what could not be made whole. */
export async function replayJournal(options: ReplayOptions): Promise<HealthProblem[]> {
  const { journal, catalog, lives, quarantine, logger } = options;
  const contents = await readJournal(journal);
  const problems: HealthProblem[] = [];
  for (const name of contents.damagedSegments) {
    await journal.preserve(name, quarantine);
    logger.error(
      { segment: name, unknown_bytes: contents.unknownBytes },
      "a segment of the journal was damaged and is kept in quarantine",
    );
  }
  for (const [id, found] of contents.sessions) {
    if (catalog.index.get(id) !== undefined) {
      await giveBack(id as SessionId, found, options);
      if (found.damaged) problems.push(await stop(id as SessionId, options));
    } else if (catalog.unreadableFor(id) !== undefined) {
      // They wait until the file is mended, or a backup is in its place.
      lives.restore(id, placeholder(id, found.generation), { bytes: 0, mode: 0o640 }, restored(found));
    } else {
      lives.settled(id, Number.MAX_SAFE_INTEGER);
    }
  }
  if (contents.unknownBytes > 0) {
    problems.push({
      code: "journal_damaged",
      message: `${contents.unknownBytes} bytes of the journal could not be read; reports of progress may be missing`,
      hint: "compare what your sessions have processed with their results; the segment is in .sessiond/quarantine",
      session_id: null,
    });
  }
  await journal.prune();
  return problems;
}

async function giveBack(
  id: SessionId,
  found: SessionReports,
  { reports, logger }: ReplayOptions,
): Promise<void> {
  await reports.replay(id, found.generation, restored(found));
  logger.debug(
    { session_id: id, reports: found.reports.length },
    "reports of an earlier run were given back",
  );
}

/** Reports of it are damaged: its worker is to stop, and its owner to know. What was lost is pending still. */
async function stop(id: SessionId, { sessions }: ReplayOptions): Promise<HealthProblem> {
  const message = `reports of "${id}" in the journal were damaged: files that were done may be pending again`;
  await sessions
    .change(id, {}, (session) =>
      session.status === "running" ? { ...session, status: "paused", status_reason: message } : session,
    )
    .catch((error: unknown) => {
      if (!isSessiondError(error, "session_not_found")) throw error;
    });
  return { code: "journal_damaged", message, hint: "look at it, then resume it", session_id: id };
}

function restored({ reports }: SessionReports): Restored[] {
  return reports.map(({ payload, revision, time }) => ({
    delta: parseJson(payload.toString(), maxStoredDepth) as ProgressDelta,
    revision,
    time,
  }));
}

/** Stands for a document that cannot be read yet, and is replaced by it. */
function placeholder(session_id: string, generation: string): Session {
  return {
    session_id,
    status: "running",
    config: { target_path: session_id },
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: "1970-01-01T00:00:00Z",
    generation,
    revision: 1,
  };
}
