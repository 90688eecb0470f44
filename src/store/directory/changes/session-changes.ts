/**
 * Reads a session as it is now, and changes it: read, apply, write durably, index. Changes of one session run
 * one after another. If another program changes the file meanwhile, the change starts again.
 *
 * The room store/directory/changes/ owns every change of a session: one slot and one queue for each session
 * that is worked on. It does not know who asked for a change, nor the trash.
 */
import { join } from "node:path";
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import { assertExpected, sessionExists } from "../../change-conditions.ts";
import { encodeSession, partsOf } from "../../document/encode-session.ts";
import type { ChangeOptions, StoredSession } from "../../session-store.ts";
import { TargetChanged } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { assertUnchanged, type Document, isUnchanged, readDocumentInSlices } from "../disk/read-document.ts";
import { alternativeFileFor, fileFor } from "../disk/session-file.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { Current, CurrentDocuments } from "./current-document.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { Quarantine } from "./quarantine.ts";
import { adviseToPurge, busy } from "./refusals.ts";
import type { SessionSlots } from "./session-slots.ts";
import type { SessionTurns } from "./session-turns.ts";
import type { SessionFileWriter } from "./write-session-file.ts";

/** For new files; an existing file keeps its mode. */
const newFileMode = 0o640;

export interface SessionChangesOptions {
  fs: FileSystem;
  directory: string;
  view: DirectoryView;
  slots: SessionSlots;
  known: KnownSessions;
  turns: SessionTurns;
  documents: CurrentDocuments;
  writer: SessionFileWriter;
  quarantine: Quarantine;
  journal: Journal;
  state: StorageState;
}

type ChangeFunction = (session: Session) => Session | Promise<Session>;

export interface Removal<T> {
  conditions: ChangeOptions;
  /** Whether the file is kept somewhere. Then it must hold every report first. */
  isKept: boolean;
  /** Takes the file away. `inspect` throws if the file is not the one that may be taken any more. */
  take: (file: string, summary: SessionSummary, inspect: () => void) => Promise<T>;
}

export class SessionChanges {
  readonly #options: SessionChangesOptions;

  constructor(options: SessionChangesOptions) {
    this.#options = options;
  }

  async read(id: SessionId): Promise<StoredSession> {
    const { fs, directory, slots, known, turns, documents } = this.#options;
    const file = turns.locate(id);
    const path = join(directory, file);
    const state = this.#catalog.get(file);
    if (state?.kind === "session" && state.id === id) {
      const reported = slots.reported(id);
      if (reported !== undefined && isUnchanged(fs, path, state.identity)) {
        // The summary is taken first: reports go on while a large session is put together.
        const summary = known.summary(id);
        return withRevision(summary, await reported.working.toSession());
      }
      const document = reported === undefined ? await readDocumentInSlices(fs, path) : undefined;
      const isStill = document?.identity === state.identity && this.#catalog.get(file) === state;
      if (isStill && slots.reported(id) === undefined)
        return withRevision(known.summary(id), document.session);
    }
    // The file is not what the index knows: another program changed it, or our own write is not durable yet.
    return turns.change(id, async (current) => {
      const { summary, session } = await documents.current(current, id);
      return withRevision(summary, session);
    });
  }

  /** If `fn` returns the session that it was given, nothing changes. `fn` must not undo what was reported. */
  change(id: SessionId, conditions: ChangeOptions, fn: ChangeFunction): Promise<StoredSession> {
    return this.#changing(id, conditions, fn, (file) => this.#options.documents.current(file, id));
  }

  /**
   * As `change`, but `fn` may undo what was reported. The file must hold every report first: after a crash
   * nobody could tell which reports came before the change.
   */
  replace(id: SessionId, conditions: ChangeOptions, fn: ChangeFunction): Promise<StoredSession> {
    const { documents, journal } = this.#options;
    return this.#changing(id, conditions, fn, async (file) => {
      if (journal.newestReport(id) !== undefined) await this.#writeReports(file, id, conditions);
      return documents.current(file, id);
    });
  }

  /** Resolves when the file holds every report, and the journal has recorded that. */
  async #writeReports(file: string, id: SessionId, conditions: ChangeOptions): Promise<void> {
    const { slots, known, documents, writer, journal } = this.#options;
    await documents.takeIn(file, id);
    known.assertExpected(id, conditions);
    await writer.writeReports(id, file);
    if (slots.find(id)?.reported?.isLagging) throw new TargetChanged();
    await journal.advanceBase(id);
  }

  #changing(
    id: SessionId,
    conditions: ChangeOptions,
    fn: ChangeFunction,
    look: (file: string) => Promise<Current>,
  ): Promise<StoredSession> {
    const { slots, known, turns, documents, state, journal } = this.#options;
    return turns.changeUndisturbed(id, async (file) => {
      state.assertWritable();
      const document = await look(file);
      const { base, summary } = document;
      assertExpected(summary, conditions);
      const session = { ...document.session, revision: summary.revision };
      const next = await fn(session);
      if (next === session) return { session, summary };
      const isInMemory = slots.reported(id) !== undefined;
      const prepared = isInMemory ? await WorkingSession.prepareDocument(next, document.session) : undefined;
      // Putting a large session together and writing it takes a while. Meanwhile another program may replace
      // the session, also by way of another file.
      const inspect = () => {
        const isStill = known.summary(id).revision === summary.revision && documents.isStill(id, document);
        if (!isStill) throw new TargetChanged();
      };
      const revision = summary.revision + 1;
      const written = await this.#write(file, { ...next, revision }, document, inspect);
      this.#catalog.adopt(file, written, revision);
      const stored = withRevision(known.summary(id), written.session);
      if (this.#catalog.fileOf(id) !== file) throw busy(id, "unknown");
      const from = documents.isStill(id, document) ? document.session : undefined;
      const { lastReport } = base;
      const { session: to, bytes } = written;
      slots.reported(id)?.changed({ from, to, prepared, lastReport, bytes });
      await journal.tryAdvanceBase(id, lastReport);
      return stored;
    });
  }

  /** @throws SessiondError `session_exists` */
  create(session: Session): Promise<StoredSession> {
    // Reports of an earlier session of this id do not belong to this one.
    return this.#create(session, { keepsReports: false });
  }

  /**
   * As `create`, for a document that replaces an unreadable one. The document is given the reports that wait
   * for the unreadable one.
   */
  putBack(session: Session): Promise<StoredSession> {
    return this.#create(session, { keepsReports: true });
  }

  async #create(session: Session, { keepsReports }: { keepsReports: boolean }): Promise<StoredSession> {
    const { view, slots, known, turns, quarantine, state } = this.#options;
    const { catalog } = view;
    const id = session.session_id as SessionId;
    let isBeaten = false;
    const created = await turns.firstFree([fileFor(id), alternativeFileFor(id)], async (file) => {
      state.assertWritable();
      view.look(file);
      if (known.has(id)) throw sessionExists(id, "choose another id, or work on that one");
      if (catalog.unreadableFor(id) !== undefined) throw known.missing(id);
      if (catalog.get(file) !== undefined) return undefined;
      const revision = Math.max(session.revision ?? 1, catalog.pastRevision(id) + 1);
      if (keepsReports) slots.find(id)?.reported?.putBack();
      const document = await this.#write(file, { ...session, revision }, undefined);
      catalog.index.from("change", () => {
        catalog.adopt(file, document, revision);
        isBeaten = catalog.fileOf(id) !== file;
        if (keepsReports && !isBeaten) this.#giveReports(document, revision);
      });
      if (!keepsReports && !isBeaten) await slots.forget(id);
      const reported = await slots.reported(id)?.working.toSession();
      return withRevision(known.summary(id), reported ?? document.session);
    });
    if (created === undefined) throw sessionExists(id, "its file names are taken by something else");
    if (isBeaten) {
      // A document that was missing came back meanwhile. It is newer, so it stays the session.
      await quarantine.addDuplicates(id);
      throw busy(id);
    }
    return created;
  }

  /** Adds the reports that were acknowledged while the document could not be read. */
  #giveReports(document: Document, revision: number): void {
    // The file has this revision without the reports.
    const session = { ...document.session, revision: revision + 1 };
    const complete = this.#options.slots.adopted({ ...document, session });
    if (complete !== undefined) this.#catalog.index.set(complete);
  }

  /** Removes a session. If another program changes the file meanwhile, the decision is made again. */
  remove<T>(id: SessionId, { conditions, isKept, take }: Removal<T>): Promise<T> {
    const { fs, directory, view, slots, known, turns, writer, state } = this.#options;
    return turns.changeUndisturbed(id, async (file) => {
      state.assertWritable();
      assertExpected(known.held(id, file).summary, conditions);
      if (isKept) await writer.writeReports(id, file).catch(adviseToPurge);
      const { summary, identity } = known.held(id, file);
      const inspect = () => assertUnchanged(fs, join(directory, file), identity);
      const result = await take(file, summary, inspect);
      view.forget(file);
      void slots.forget(id);
      return result;
    });
  }

  get #catalog() {
    return this.#options.view.catalog;
  }

  /**
   * Writes a document. The file must still be in the state `before`; without `before`, there must be no file.
   */
  async #write(
    file: string,
    session: Session,
    before: Omit<Document, "session"> | undefined,
    inspect?: () => void,
  ): Promise<Document> {
    const bytes = await encodeSession(partsOf(session));
    const mode = before?.mode ?? newFileMode;
    const replacement = { mode, expected: before?.identity, ...(inspect && { inspect }) };
    const identity = await this.#options.writer.replace(file, bytes, replacement);
    return { session, identity, bytes: bytes.length, mode };
  }
}

/** The session with the revision that the index knows. */
function withRevision(summary: SessionSummary, session: Session): StoredSession {
  const { revision } = summary;
  return { summary, session: session.revision === revision ? session : { ...session, revision } };
}
