/**
 * Moves files into quarantine: files that cannot be read, and files that lost against another file of the
 * same session. Deletes none.
 */
import { join } from "node:path";
import type { SessionId } from "../../../session/session-id.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { type DurableFiles, TargetChanged } from "../disk/durable-files.ts";
import { shortened } from "../disk/session-file.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { SessionSlots } from "./session-slots.ts";
import type { SessionTurns } from "./session-turns.ts";

export interface QuarantineOptions {
  directory: string;
  quarantine: string;
  files: DurableFiles;
  view: DirectoryView;
  slots: SessionSlots;
  known: KnownSessions;
  turns: SessionTurns;
  state: StorageState;
  clock: Clock;
}

export class Quarantine {
  readonly #options: QuarantineOptions;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** Resolves with the new path of the file; undefined if the file holds a session by now, or is gone. */
  add(file: string): Promise<string | undefined> {
    const { directory, quarantine, files, view, slots, turns, state, clock } = this.#options;
    const { catalog } = view;
    return turns.runFor(file, async () => {
      state.assertWritable();
      view.look(file);
      const known = catalog.get(file);
      if (known === undefined || known.kind === "session") return undefined;
      const name = `${formatTimestamp(clock.now()).replace(/\D/g, "")}-${shortened(file)}`;
      const inspect = () => {
        view.look(file);
        if (catalog.get(file) !== known) throw new TargetChanged();
      };
      try {
        await files.move([directory, file], [quarantine, name], { exclusive: true, inspect });
      } catch (error) {
        if (error instanceof TargetChanged) return undefined;
        throw error;
      }
      catalog.forget(file, "removed");
      const { id, identity } = known;
      if (id !== undefined && catalog.fileOf(id) === undefined) slots.lost(id, identity);
      return join(quarantine, name);
    });
  }

  /**
   * Announces that a session is gone after its unreadable document was moved here. Does nothing if another
   * file holds the session, or may hold it.
   */
  announceRemoved(id: SessionId): void {
    const { view, known } = this.#options;
    const { catalog } = view;
    if (catalog.fileOf(id) !== undefined || catalog.unreadableFor(id) !== undefined) return;
    catalog.index.delete(id, { cause: "removed", restorable: known.isRestorable(id) });
  }

  /**
   * Moves the duplicates of a session here, so that none of them takes the place of its file. Resolves with
   * their new paths.
   */
  async addDuplicates(id: SessionId): Promise<string[]> {
    const places: string[] = [];
    for (const file of this.#options.view.catalog.duplicatesOf(id)) {
      const place = await this.add(file);
      if (place !== undefined) places.push(place);
    }
    return places;
  }
}
