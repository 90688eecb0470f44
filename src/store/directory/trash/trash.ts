/** What is in the trash, for whoever wants it back, or gone for good. */

import type { Emptied, TrashEntry, TrashListing } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { shellOperand, shellQuote } from "../../../text/shell-quote.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { sessionExists } from "../../change-conditions.ts";
import type { SessionFiles } from "../changes/session-files.ts";
import type { SessionTurns } from "../changes/session-turns.ts";
import { alternativeFileFor, fileFor } from "../disk/session-codec.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import { type Trash, withoutFile } from "./trash-files.ts";

export interface RemovedSessionsOptions {
  directory: string;
  trash: Trash;
  sessions: SessionFiles;
  turns: SessionTurns;
  view: DirectoryView;
  clock: Clock;
}

export class RemovedSessions {
  readonly #options: RemovedSessionsOptions;

  constructor(options: RemovedSessionsOptions) {
    this.#options = options;
  }

  list(): TrashListing {
    const entries = this.#options.trash.list().map(withoutFile);
    return { entries, total: entries.length, bytes: sizeOf(entries) };
  }

  /** @throws SessiondError `session_not_found`, `session_exists` */
  async restore(id: SessionId, trashId: string | undefined): Promise<SessionSummary> {
    const { directory, trash, sessions, turns, view } = this.#options;
    const entry = trash.find(id, trashId);
    if (entry === undefined) {
      const message = `"${id}" is not in the trash; see what is with: sessionctl trash ls`;
      throw new SessiondError("session_not_found", message);
    }
    const names = [entry.file, fileFor(id), alternativeFileFor(id)];
    const restored = await turns.firstFree(names, async (file) => {
      if (sessions.exists(id)) throw sessionExists(id, beforeRestoring(entry));
      await trash.giveBack(entry, [directory, file]);
      view.catalog.index.from("change", () => view.look(file));
      return sessions.summary(id);
    });
    if (restored === undefined) throw sessionExists(id, "its file names are taken by something else");
    return restored;
  }

  async empty(olderThanMs: number): Promise<Emptied & { entries: TrashEntry[] }> {
    const { trash, clock } = this.#options;
    const limit = formatTimestamp(clock.now() - olderThanMs * 1000);
    const entries = trash.list().filter((entry) => entry.removed_time <= limit);
    await trash.purge(entries);
    return { removed: entries.length, bytes: sizeOf(entries), entries: entries.map(withoutFile) };
  }
}

function sizeOf(entries: readonly TrashEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0);
}

function beforeRestoring({ session_id, trash_id }: TrashEntry): string {
  return `rename it (export it, import it --as another id, delete it) or purge it first; one that is only deleted comes to lie on top in the trash, so say which is to come back: sessionctl trash restore --trash-id ${shellQuote(trash_id)} ${shellOperand(session_id)}`;
}
