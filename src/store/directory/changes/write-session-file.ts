/**
 * Writing the file of a session: what a change made of it, or the reports that it does not hold yet. As the
 * journal holds those reports until then, writing files is also what keeps the journal short.
 */
import { join } from "node:path";
import { yieldIfDue } from "../../../async/slices.ts";
import type { Logger } from "../../../log.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { type DurableFiles, TargetChanged } from "../disk/durable-files.ts";
import { encodeSession } from "../disk/encode-session.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { assertUnchanged } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-codec.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { SessionSlots } from "./session-slots.ts";
import type { SessionTurns } from "./session-turns.ts";

/** As long as the journal has no more closed segments, nothing is done to make it shorter. */
const manySegments = 2;

export interface SessionFileWriterOptions {
  fs: FileSystem;
  directory: string;
  files: DurableFiles;
  view: DirectoryView;
  slots: SessionSlots;
  turns: SessionTurns;
  known: KnownSessions;
  journal: Journal;
  state: StorageState;
  logger: Logger;
}

export interface Replacement {
  mode: number;
  /** The state of the file that is to be replaced; without it nothing may be there. */
  expected: Identity | undefined;
  /** Throws where the state of the file alone does not allow it. Called right before the file is replaced. */
  inspect?: () => void;
}

export class SessionFileWriter {
  readonly #options: SessionFileWriterOptions;
  #shortening: Promise<void> | undefined;

  constructor(options: SessionFileWriterOptions) {
    this.#options = options;
  }

  /**
   * Writes a session's file, durably. Callers hold its queue. @throws TargetChanged if it is not what is
   * expected
   */
  replace(file: string, bytes: Buffer, { mode, expected, inspect }: Replacement): Promise<Identity> {
    const { fs, directory, files, view } = this.#options;
    return files.write(directory, file, bytes, {
      mode,
      exclusive: expected === undefined,
      inspect() {
        if (!view.place.isHeld()) throw view.place.away();
        assertUnchanged(fs, join(directory, file), expected);
        inspect?.();
      },
    });
  }

  /**
   * Writes the reports that a session's file does not hold. Callers hold its queue. Reports go on meanwhile.
   *
   * @throws TargetChanged also if the session is in another file by now
   */
  async writeReports(id: SessionId, file: string): Promise<void> {
    const { slots, view } = this.#options;
    await yieldIfDue();
    if (view.catalog.fileOf(id) !== file) throw new TargetChanged();
    const reported = slots.reported(id);
    const last = reported?.unwritten.last;
    if (reported === undefined || last === undefined) return;
    const expected = view.catalog.get(file)?.identity;
    const bytes = await reported.working.withSnapshot(encodeSession);
    const identity = await this.replace(file, bytes, { mode: reported.mode, expected });
    // Meanwhile another file may have become the one of this session, which is to have the reports.
    if (view.catalog.fileOf(id) !== file || slots.reported(id) !== reported) return;
    view.catalog.written(file, identity, bytes.length);
    await reported.written(last, bytes.length);
  }

  /** As `writeReports`, in a turn of its own. @throws SessiondError */
  flush(id: SessionId): Promise<void> {
    const { slots, turns, known } = this.#options;
    return turns.run(id, async (file) => {
      if (!slots.reported(id)?.isLagging) return;
      try {
        known.held(id, file);
        await this.writeReports(id, file);
      } catch (error) {
        // Another program is at it: tried again when it is due again.
        if (!(error instanceof TargetChanged)) throw error;
      }
    });
  }

  /**
   * The file of a session is due. Never rejects: the journal has every report, so failing costs another try.
   */
  async writeDue(id: SessionId): Promise<void> {
    const { state, logger } = this.#options;
    try {
      await state.runChange(() => this.flush(id));
    } catch (error) {
      logger.warn({ err: error, session_id: id }, "a session file could not be written yet");
    }
    this.#shortening ??= this.#shortenJournal().finally(() => {
      this.#shortening = undefined;
    });
    await this.#shortening;
  }

  /** Writes the files of all sessions that lag behind what was reported, one after another, until `isOver`. */
  async writeLagging(isOver = () => false): Promise<void> {
    for (const id of this.#options.slots.lagging()) {
      if (isOver()) return;
      await this.writeDue(id);
    }
  }

  /**
   * Reports in the oldest part of the journal go into their files, or where that fails, to the end of the
   * journal.
   */
  async #shortenJournal(): Promise<void> {
    const { journal, turns, slots, logger } = this.#options;
    if (journal.closedSegments <= manySegments) return;
    for (const id of journal.sessionsInOldest() as SessionId[]) {
      try {
        await this.flush(id).catch(() => {});
        if (!journal.isInOldest(id)) continue;
        await turns.change(id, async () => {
          const { reported } = slots.find(id) ?? {};
          await (reported === undefined ? journal.retryBases() : reported.carryOver());
        });
      } catch (error) {
        logger.warn({ err: error, session_id: id }, "the journal cannot be made shorter yet");
      }
    }
  }
}
