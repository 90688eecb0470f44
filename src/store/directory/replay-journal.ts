/**
 * Replays the journal at the start: gives each session the acknowledged reports that its file may not hold,
 * and each lease what it had claimed; says what is damaged. The leases are there already.
 */
import type { HealthProblem } from "../../contract/replies.ts";
import { JsonError, parseJson } from "../../json/exact-json.ts";
import type { Logger } from "../../log.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { maxStoredDepth } from "../document/decode-session.ts";
import { sizeOf } from "../document/encode-report.ts";
import { generationMark } from "../generation.ts";
import type { SessionClaims } from "./changes/claims.ts";
import type { Reports } from "./changes/reports.ts";
import type { SessionChanges } from "./changes/session-changes.ts";
import type { SessionSlots } from "./changes/session-slots.ts";
import type { StateQuarantine } from "./disk/state-quarantine.ts";
import { damageMeaning, lossProblems } from "./journal/damage-wording.ts";
import type { Journal } from "./journal/journal.ts";
import type { JournalClaim } from "./journal/journal-claims.ts";
import { readJournal, type SessionReports } from "./journal/read-journal.ts";
import type { ReplayedReport } from "./reported/reported-session.ts";
import type { FileCatalog } from "./view/file-catalog.ts";

export interface ReplayOptions {
  journal: Journal;
  catalog: FileCatalog;
  sessions: SessionChanges;
  reports: Reports;
  slots: SessionSlots;
  claims: SessionClaims;
  quarantine: StateQuarantine;
  logger: Logger;
}

/**
 * Resolves with what is missing of the journal, for `health`. What is damaged is in quarantine, and `health`
 * has it from there. A problem with one session does not keep the others from their reports.
 */
export async function replayJournal(options: ReplayOptions): Promise<HealthProblem[]> {
  const { journal, quarantine, logger } = options;
  const contents = await readJournal(journal);
  for (const damage of contents.damage) {
    const meaning = damageMeaning(damage, quarantine.pathOf(damage.kept));
    quarantine.note(damage.kept, meaning);
    logger[damage.isTorn ? "warn" : "error"]({ ...damage }, meaning.message);
  }
  const problems = lossProblems(contents);
  for (const { message } of problems) logger.error(message);
  const damaged = contents.damage.find(({ isTorn }) => !isTorn)?.kept;
  for (const [id, found] of contents.sessions) {
    const isDamaged = await replaySession(id as SessionId, found, options);
    if (!isDamaged) continue;
    const problem = await stop(id as SessionId, options);
    if (damaged === undefined) problems.push(problem);
    else quarantine.note(damaged, problem);
  }
  for (const [id, found] of contents.claims) restoreClaims(id, found, options);
  await journal.prune();
  return problems;
}

/**
 * Replays the reports of one session. Resolves with whether some of them are damaged and the session exists.
 */
async function replaySession(id: SessionId, found: SessionReports, options: ReplayOptions): Promise<boolean> {
  const { catalog, reports, slots, logger } = options;
  const { restored, isDamaged } = decode(found);
  const generation = restored.findLast((report) => report.generation !== 0n)?.generation ?? 0n;
  if (catalog.index.get(id) !== undefined) {
    try {
      await reports.replay(id, generation, restored);
      logger.debug({ session_id: id, reports: restored.length }, "reports of an earlier run were replayed");
      return isDamaged;
    } catch (error) {
      logger.warn(
        { err: error, session_id: id },
        "reports of an earlier run cannot be applied yet; they wait for their session",
      );
    }
  } else if (catalog.unreadableFor(id) === undefined) {
    void slots.forget(id);
    return false;
  }
  // The reports wait until the file can be read, or a backup replaces it.
  const own = restored.filter((report) => report.generation === 0n || report.generation === generation);
  const waiting = slots.add({ session: placeholder(id), bytes: 0, mode: 0 });
  waiting.replay(own, generation);
  waiting.awaitDocument();
  return isDamaged;
}

/** Gives leases that are still there what they had claimed. */
function restoreClaims(
  id: string,
  found: ReadonlyMap<string, JournalClaim>,
  { catalog, claims }: ReplayOptions,
): void {
  const summary = catalog.index.get(id);
  if (summary === undefined && catalog.unreadableFor(id) === undefined) return;
  claims.restore(id, found, generationMark(summary?.generation ?? undefined));
}

function decode({ reports, damaged }: SessionReports): { restored: ReplayedReport[]; isDamaged: boolean } {
  const restored: ReplayedReport[] = [];
  let isDamaged = damaged;
  for (const { payload, sequence, revision, generation, time } of reports) {
    try {
      const { processed, results, added } = parseJson(payload.toString(), maxStoredDepth) as ProgressDelta;
      const delta = { processed, results, added };
      const { growth } = sizeOf(payload);
      restored.push({ delta, sequence, revision, generation, time, bytes: payload.length, growth });
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      isDamaged = true;
    }
  }
  return { restored, isDamaged };
}

/**
 * Pauses a session whose reports are damaged, so that its worker stops and its owner knows. Files whose
 * reports are lost are still pending.
 */
async function stop(id: SessionId, { sessions, logger }: ReplayOptions): Promise<HealthProblem> {
  const message = `reports of "${id}" in the journal were damaged: files that were done may be pending again`;
  await sessions
    .change(id, {}, (session) =>
      session.status === "running" ? { ...session, status: "paused", status_reason: message } : session,
    )
    .catch((error: unknown) =>
      logger.error({ err: error, session_id: id }, "a session with damaged reports could not be paused"),
    );
  const hint = `check the session, then resume it with: sessionctl resume ${shellOperand(id)}`;
  return { code: "journal_damaged", message, hint, session_id: id };
}

/** Stands for a document that cannot be read yet, until it can. */
function placeholder(session_id: string): Session {
  return {
    session_id,
    status: "running",
    config: { target_path: session_id },
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: "1970-01-01T00:00:00Z",
    revision: 1,
  };
}
