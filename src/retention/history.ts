/** The history of cleanup: which session was removed when, and by which rule. */
import { type HistoryEntry, type HistoryPage, historyReply, type TrashEntry } from "../contract/replies.ts";
import type { Query } from "../contract/routes.ts";
import { SessiondError } from "../error.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Records } from "../store/session-store.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";

export type HistoryQuery = Partial<Query<"getCleanupHistory">>;

const logName = "history";
const entrySchema = historyReply.shape.entries.element;
const defaultLimit = 100;
const scanPage = 1000;

export async function appendHistory(records: Records, entries: readonly HistoryEntry[]): Promise<void> {
  await records.append(logName, entries);
}

/** The entries for sessions that were deleted from the trash. */
export function trashHistory(
  entries: readonly TrashEntry[],
  run: Pick<HistoryEntry, "rule" | "trigger" | "plan_id">,
  clock: Clock,
): HistoryEntry[] {
  return entries.map(({ trash_id, session_id, status, bytes }) => ({
    ...run,
    job: "trash",
    reason: "trash_retention",
    time: formatTimestamp(clock.now()),
    session_id,
    status,
    checkpoint_time: null,
    bytes,
    trash_id,
  }));
}

/**
 * Reads a page, newest first. `onUnreadable` is told how many entries it leaves out, which another version or
 * damage has left.
 *
 * @throws SessiondError `invalid_request` for a cursor that is not from a page
 */
export async function readHistory(
  records: Records,
  query: HistoryQuery,
  onUnreadable: (count: number) => void,
): Promise<HistoryPage> {
  const { limit = defaultLimit, cursor, session_id } = query;
  let unreadable = 0;
  const readable = (entries: readonly JsonValue[]) => {
    const found = readableOf(entries);
    unreadable += entries.length - found.length;
    return found;
  };
  const read = async () => {
    if (session_id !== undefined) return readSession(records, session_id, limit, cursor, readable);
    const page = await records.tail(logName, limit, cursor);
    return { entries: readable(page.entries), next_cursor: page.cursor };
  };
  const page = await read();
  if (unreadable > 0) onUnreadable(unreadable);
  return page;
}

/**
 * Reads a page of one session's entries. They are few in a long log, so pages of the log would be nearly
 * empty. The cursor is the time of the last entry instead, which is unique.
 */
async function readSession(
  records: Records,
  sessionId: string,
  limit: number,
  cursor: string | undefined,
  readable: (entries: readonly JsonValue[]) => HistoryEntry[],
): Promise<HistoryPage> {
  const entries: HistoryEntry[] = [];
  let after = cursor;
  let page = await records.tail(logName, scanPage);
  for (;;) {
    for (const entry of readable(page.entries)) {
      if (entry.session_id !== sessionId) continue;
      if (after !== undefined) {
        if (entry.time === after) after = undefined;
        continue;
      }
      if (entries.length === limit) return { entries, next_cursor: entries.at(-1)?.time ?? null };
      entries.push(entry);
    }
    if (page.cursor === null) break;
    page = await records.tail(logName, scanPage, page.cursor);
  }
  if (after !== undefined) {
    throw new SessiondError("invalid_request", "the cursor is not from the history of this session", {
      issues: [{ path: "cursor", message: "must be the next_cursor of a page" }],
    });
  }
  return { entries, next_cursor: null };
}

function readableOf(entries: readonly JsonValue[]): HistoryEntry[] {
  return entries.flatMap((entry) => {
    const parsed = entrySchema.safeParse(entry);
    return parsed.success ? [parsed.data] : [];
  });
}
