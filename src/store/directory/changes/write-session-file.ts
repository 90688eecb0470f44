/** Writing the files of sessions that were reported on, and with it keeping the journal short. */
import type { Logger } from "../../../log.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import type { Reports } from "./reports.ts";

/** As long as the journal has no more closed segments, nothing is done to make it shorter. */
const manySegments = 2;

export interface FileWritingOptions {
  state: StorageState;
  reports: Reports;
  journal: Journal;
  logger: Logger;
}

/** The journal has everything, so failing costs nothing but another try. */
export function createWriteBehind({ state, reports, journal, logger }: FileWritingOptions) {
  let freeing: Promise<void> | undefined;

  /** What keeps the oldest part of the journal goes into its file, or where that cannot be, to the end of the journal. */
  async function freeJournal(): Promise<void> {
    if (journal.closedSegments <= manySegments) return;
    for (const id of journal.sessionsInOldest() as SessionId[]) {
      try {
        await reports.flush(id).catch(() => {});
        if (journal.isInOldest(id)) await reports.carryOver(id);
      } catch (error) {
        logger.warn({ err: error, session_id: id }, "the journal cannot be made shorter yet");
      }
    }
  }

  return async (id: SessionId): Promise<void> => {
    try {
      await state.runChange(() => reports.flush(id));
    } catch (error) {
      logger.warn({ err: error, session_id: id }, "a session file could not be written yet");
    }
    freeing ??= freeJournal().finally(() => {
      freeing = undefined;
    });
    await freeing;
  };
}
