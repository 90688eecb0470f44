/**
 * Writes the file of a session: the outcome of a change, or the reports that the file does not hold yet. The
 * journal keeps those reports until then, so writing files also keeps the journal short.
 */
import { join } from "node:path";
import { yieldIfDue } from "../../../async/slices.ts";
import type { Logger } from "../../../log.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { encodeSession } from "../../document/encode-session.ts";
import { type DurableFiles, TargetChanged } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { assertUnchanged } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-file.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { SessionClaims } from "./claims.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { SessionSlots } from "./session-slots.ts";
import type { SessionTurns } from "./session-turns.ts";

/** The journal is made shorter only when it has more closed segments than this. */
const manySegments = 2;

export interface SessionFileWriterOptions {
  fs: FileSystem;
  directory: string;
  files: DurableFiles;
  view: DirectoryView;
  slots: SessionSlots;
  turns: SessionTurns;
  known: KnownSessions;
  claims: SessionClaims;
  journal: Journal;
  state: StorageState;
  logger: Logger;
}

export interface Replacement {
  mode: number;
  /** The state that the file must be in; undefined if there must be no file. */
  expected: Identity | undefined;
  /** Called right before the file is replaced. What it throws cancels the write. */
  inspect?: () => void;
}

export class SessionFileWriter {
  readonly #options: SessionFileWriterOptions;
  #shortening: Promise<void> | undefined;

  constructor(options: SessionFileWriterOptions) {
    this.#options = options;
  }

  /**
   * Writes a session's file durably. Callers hold its queue.
   *
   * @throws TargetChanged if the file is not in the expected state
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
    // If another file became that of the session meanwhile, the reports belong to that file.
    if (view.catalog.fileOf(id) !== file || slots.reported(id) !== reported) return;
    view.catalog.written(file, identity, bytes.length);
    await reported.written(last, bytes.length);
  }

  /**
   * As `writeReports`, in a turn of its own. If another program changes the file meanwhile, the file stays
   * due.
   *
   * @throws SessiondError
   */
  flush(id: SessionId): Promise<void> {
    const { slots, turns, known } = this.#options;
    return turns.run(id, async (file) => {
      if (!slots.reported(id)?.isLagging) return;
      try {
        known.held(id, file);
        await this.writeReports(id, file);
      } catch (error) {
        // Written when it is due again.
        if (!(error instanceof TargetChanged)) throw error;
      }
    });
  }

  /**
   * Writes a file that is due, and makes the journal shorter. Never rejects: the journal has every report, so
   * a failure only costs another try.
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

  /** Writes every file that lags behind what was reported, one after another, until `isOver`. */
  async writeLagging(isOver = () => false): Promise<void> {
    for (const id of this.#options.slots.lagging()) {
      if (isOver()) return;
      await this.writeDue(id);
    }
  }

  /**
   * Frees the oldest segment of the journal: its reports go into their files or, if that fails, to the end of
   * the journal, as its claims do.
   */
  async #shortenJournal(): Promise<void> {
    const { journal, turns, slots, claims, logger } = this.#options;
    if (journal.closedSegments <= manySegments) return;
    const { endOfOldest } = journal;
    const ids = new Set([...journal.sessionsInOldest(), ...claims.claimedBefore(endOfOldest)]);
    for (const id of ids as Set<SessionId>) {
      try {
        await this.flush(id).catch(() => {});
        if (!journal.isInOldest(id) && !claims.isClaimedBefore(endOfOldest)) continue;
        await turns.change(id, async () => {
          const { reported } = slots.find(id) ?? {};
          if (journal.isInOldest(id))
            await (reported === undefined ? journal.retryBases() : reported.carryOver());
          await claims.carryOver(id, endOfOldest);
        });
      } catch (error) {
        logger.warn({ err: error, session_id: id }, "the journal cannot be made shorter yet");
      }
    }
    await journal.prune().catch(() => {
      // Tried again with the next base.
    });
  }
}
