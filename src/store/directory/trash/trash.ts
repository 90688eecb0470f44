/**
 * The trash: takes in removed sessions, lists them, restores them, and deletes them for good.
 *
 * The room store/directory/trash/ owns removed sessions, until they are restored or deleted for good. No
 * change of a session knows the trash.
 */

import type { Emptied, TrashEntry, TrashListing } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { type Clock, formatTimestamp, microsPerMs } from "../../../time/clock.ts";
import { sessionExists } from "../../change-conditions.ts";
import { notInTrash, occupied } from "../../trash-refusals.ts";
import type { KnownSessions } from "../changes/known-sessions.ts";
import type { SessionTurns } from "../changes/session-turns.ts";
import { alternativeFileFor, fileFor } from "../disk/session-file.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import { type TrashFiles, withoutFile } from "./trash-files.ts";

export interface TrashOptions {
  directory: string;
  files: TrashFiles;
  known: KnownSessions;
  turns: SessionTurns;
  view: DirectoryView;
  clock: Clock;
}

export class Trash {
  readonly #options: TrashOptions;

  constructor(options: TrashOptions) {
    this.#options = options;
  }

  /** As `TrashFiles.load`. */
  load(isLive: (inode: bigint) => boolean): Promise<void> {
    return this.#options.files.load(isLive);
  }

  /** As `TrashFiles.add`. */
  add(file: string, summary: SessionSummary, reason: string, inspect: () => void): Promise<TrashEntry> {
    const { directory, files, clock } = this.#options;
    return files.add([directory, file], summary, reason, clock.now(), inspect);
  }

  list(): TrashListing {
    const entries = this.#options.files.list().map(withoutFile);
    return { entries, total: entries.length, bytes: sizeOf(entries) };
  }

  /**
   * Restores an entry, by default the newest one of the session.
   *
   * @throws SessiondError `session_not_found`, `session_exists`, `storage_failed`
   */
  async restore(id: SessionId, trashId: string | undefined): Promise<SessionSummary> {
    const { directory, files, known, turns, view } = this.#options;
    const entry = files.find(id, trashId);
    if (entry === undefined) throw notInTrash(id);
    const names = [entry.file, fileFor(id), alternativeFileFor(id)];
    const restored = await turns.firstFree(names, async (file) => {
      if (known.exists(id)) throw occupied(entry);
      await files.giveBack(entry, [directory, file]);
      await view.readAhead(file);
      view.catalog.index.from("change", () => view.look(file));
      const state = view.catalog.get(file);
      if (state === undefined || state.kind === "unreadable") throw unread(id, file, state?.why);
      return known.summary(id);
    });
    if (restored === undefined) throw sessionExists(id, "its file names are taken by something else");
    return restored;
  }

  /** As `SessionStore.emptyTrash`. */
  async empty(olderThanMs: number, only?: ReadonlySet<string>): Promise<Emptied & { entries: TrashEntry[] }> {
    const { files, clock } = this.#options;
    // Everything means everything: also what was removed while the clock was ahead.
    const limit = olderThanMs === 0 ? undefined : formatTimestamp(clock.now() - olderThanMs * microsPerMs);
    const entries = files
      .list()
      .filter(({ trash_id }) => only?.has(trash_id) ?? true)
      .filter(({ removed_time }) => limit === undefined || removed_time <= limit);
    await files.purge(entries);
    return { removed: entries.length, bytes: sizeOf(entries), entries: entries.map(withoutFile) };
  }
}

function sizeOf(entries: readonly TrashEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0);
}

/**
 * The document is in place, and `why` it cannot be read; nobody knows for want of descriptors, for example.
 */
function unread(id: SessionId, file: string, why: string | undefined): SessiondError {
  const outcome = "unknown";
  const restored = `"${id}" was restored to ${file}, but that cannot be read`;
  return why === undefined
    ? new SessiondError("storage_failed", `${restored} just now; look again in a moment`, { outcome })
    : new SessiondError("session_corrupt", `${restored}: ${why}`, { outcome });
}
