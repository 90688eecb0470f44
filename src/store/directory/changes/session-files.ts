/**
 * Sessions as files: where each one is, reading it as it is now, and changing it in its own queue: read, apply, write
 * durably, index. Other programs may change the same files at any moment.
 */
import { join } from "node:path";
import { SessiondError } from "../../../error.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { shellOperand } from "../../../text/shell-quote.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { adviseToPurge, assertExpected, busy, sessionExists } from "../../change-conditions.ts";
import type { ChangeOptions, StoredSession } from "../../session-store.ts";
import { type DurableFiles, TargetChanged } from "../disk/durable-files.ts";
import { encodeSession, partsOf } from "../disk/encode-session.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { assertUnchanged, type Document, isUnchanged, readDocumentInSlices } from "../disk/read-document.ts";
import { alternativeFileFor, fileFor, type Identity, shortened } from "../disk/session-codec.ts";
import type { LiveSessions } from "../reported/reported-sessions.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import { type Current, SessionDocuments } from "./current-document.ts";
import type { SessionTurns } from "./session-turns.ts";
import { whileChanging } from "./while-changing.ts";

/** For new files; an existing file keeps its mode. */
const newFileMode = 0o640;

export interface SessionFilesOptions {
  fs: FileSystem;
  directory: string;
  quarantine: string;
  files: DurableFiles;
  view: DirectoryView;
  turns: SessionTurns;
  clock: Clock;
  lives: LiveSessions;
  /** Writes every report of a session to its file; callers hold its queue. */
  complete: (id: SessionId, file: string) => Promise<void>;
  /** Whether a session of this id is in the trash. */
  isDeleted: (id: string) => boolean;
  /** Throws when no change may begin. */
  assertWritable: () => void;
}

type ChangeFunction = (session: Session) => Session | Promise<Session>;

export class SessionFiles {
  readonly #options: SessionFilesOptions;
  readonly #documents: SessionDocuments;

  constructor(options: SessionFilesOptions) {
    this.#options = options;
    this.#documents = new SessionDocuments({ ...options, missing: (id) => this.missing(id) });
  }

  async read(id: SessionId): Promise<StoredSession> {
    const file = this.#options.turns.locate(id);
    const path = join(this.#options.directory, file);
    const state = this.#catalog.get(file);
    if (state?.kind === "session" && state.id === id) {
      const { lives } = this.#options;
      const live = lives.get(id);
      if (live !== undefined && isUnchanged(this.#options.fs, path, state.identity)) {
        // As they are now: reports go on while a large one is put together.
        const summary = this.summary(id);
        return withRevision(summary, await live.state.toSession());
      }
      const document = live === undefined ? await readDocumentInSlices(this.#options.fs, path) : undefined;
      const isStill = document?.identity === state.identity && this.#catalog.get(file) === state;
      if (isStill && lives.get(id) === undefined) return this.#stored(id, document.session);
    }
    // Not what the index knows: changed by another program, or by a write of ours that is not durable yet.
    return this.#options.turns.change(id, async (current) => {
      const { summary, session } = await this.#documents.current(current, id);
      return withRevision(summary, session);
    });
  }

  /** A function that returns the session it was given changes nothing. Files that are listed as processed stay so. */
  change(id: SessionId, options: ChangeOptions, fn: ChangeFunction): Promise<StoredSession> {
    return this.#changing(id, options, fn, (file) => this.#documents.current(file, id));
  }

  /**
   * As `change`, by a function that may undo what was reported: that is brought to its end first, as a crash could not tell any
   * more which reports came before.
   */
  replace(id: SessionId, options: ChangeOptions, fn: ChangeFunction): Promise<StoredSession> {
    return this.#changing(id, options, fn, async (file) => {
      if (this.#options.lives.before(id).last > 0) await this.#settle(file, id, options);
      return this.#documents.current(file, id);
    });
  }

  /** Resolves when the file holds every report, and a start knows that. */
  async #settle(file: string, id: SessionId, options: ChangeOptions): Promise<void> {
    const { lives, complete } = this.#options;
    await this.#documents.ready(file, id);
    this.assertExpected(id, options);
    await complete(id, file);
    if (lives.isUnwritten(id)) throw new TargetChanged();
    await lives.settle(id);
  }

  #changing(
    id: SessionId,
    options: ChangeOptions,
    fn: ChangeFunction,
    look: (file: string) => Promise<Current>,
  ): Promise<StoredSession> {
    const { lives } = this.#options;
    return this.#options.turns.change(id, async (file) => {
      this.#options.assertWritable();
      return whileChanging(id, async () => {
        const document = await look(file);
        const { summary: known, before } = document;
        assertExpected(known, options);
        const session = { ...document.session, revision: known.revision };
        const next = await fn(session);
        if (next === session) return { session, summary: known };
        // Large sessions take a while to put together and to write: another program may make it another one meanwhile, also
        // by way of another file.
        const inspect = () => {
          const isStill = this.summary(id).revision === known.revision && lives.isStill(id, before);
          if (!isStill) throw new TargetChanged();
        };
        const revision = known.revision + 1;
        const written = await this.#write(file, { ...next, revision }, document, inspect);
        this.#catalog.adopt(file, written, revision);
        const stored = this.#stored(id, written.session);
        if (this.#catalog.fileOf(id) !== file) throw busy(id, "unknown");
        const change = { from: document.session, to: written.session };
        await lives.changed(id, change, before, written.bytes);
        return stored;
      });
    });
  }

  /** `isBack` if it is one that was there before, and is to have the reports that were made to it meanwhile. */
  async create(session: Session, isBack = false): Promise<StoredSession> {
    const { lives, turns } = this.#options;
    const { index } = this.#catalog;
    const id = session.session_id as SessionId;
    let lost = false;
    const created = await turns.firstFree([fileFor(id), alternativeFileFor(id)], async (file) => {
      this.#options.assertWritable();
      this.#options.view.look(file);
      if (this.has(id)) throw sessionExists(id, "choose another id, or work on that one");
      if (this.#catalog.unreadableFor(id) !== undefined) throw this.missing(id);
      if (this.#catalog.get(file) !== undefined) return undefined;
      const revision = Math.max(session.revision ?? 1, this.#catalog.pastRevision(id) + 1);
      if (isBack) lives.found(id);
      const document = await this.#write(file, { ...session, revision }, undefined);
      index.from("change", () => {
        this.#catalog.adopt(file, document, revision);
        lost = this.#catalog.fileOf(id) !== file;
        if (isBack && !lost) this.#giveReports(document, revision);
      });
      if (!isBack && !lost) await lives.forget(id);
      return this.#stored(id, (await lives.get(id)?.state.toSession()) ?? document.session);
    });
    if (created === undefined) throw sessionExists(id, "its file names are taken by something else");
    if (lost) {
      // One that was gone came back meanwhile, with a newer document, and is to stay the session.
      await this.quarantineDuplicates(id);
      throw busy(id);
    }
    return created;
  }

  /** Gives a document that was put back the reports that were acknowledged while it could not be read. */
  #giveReports(document: Document, revision: number): void {
    // The file has this revision without them.
    const session = { ...document.session, revision: revision + 1 };
    const complete = this.#options.lives.adopted({ ...document, session });
    if (complete !== undefined) this.#catalog.index.set(complete);
  }

  /**
   * Moves a file out of the way, into quarantine, and tells where it is now; undefined if it holds a session by now,
   * or is gone.
   */
  quarantine(file: string): Promise<string | undefined> {
    const { directory, files, view, turns, quarantine, lives, clock } = this.#options;
    return turns.runFor(file, async () => {
      this.#options.assertWritable();
      view.look(file);
      const state = this.#catalog.get(file);
      if (state === undefined || state.kind === "session") return undefined;
      const name = `${formatTimestamp(clock.now()).replace(/\D/g, "")}-${shortened(file)}`;
      const inspect = () => {
        view.look(file);
        if (this.#catalog.get(file) !== state) throw new TargetChanged();
      };
      try {
        await files.move([directory, file], [quarantine, name], { exclusive: true, inspect });
      } catch (error) {
        if (error instanceof TargetChanged) return undefined;
        throw error;
      }
      this.#catalog.forget(file, "removed");
      if (state.id !== undefined && this.#catalog.fileOf(state.id) === undefined)
        lives.lost(state.id, state.identity);
      return join(quarantine, name);
    });
  }

  /** Tells that a session is gone whose unreadable document went to quarantine, unless something took its place. */
  tellIfRemoved(id: SessionId): void {
    const catalog = this.#catalog;
    if (catalog.fileOf(id) !== undefined || catalog.unreadableFor(id) !== undefined) return;
    catalog.index.delete(id, { cause: "removed", restorable: this.#options.isDeleted(id) });
  }

  /**
   * Takes the session's file away by `take`, which is given what may be taken and a check that it still is that. A file that
   * another program changes meanwhile is judged again. One that is to be kept is brought up to date first.
   */
  remove<T>(
    id: SessionId,
    options: ChangeOptions,
    keep: boolean,
    take: (file: string, summary: SessionSummary, inspect: () => void) => Promise<T>,
  ): Promise<T> {
    return this.#options.turns.change(id, (file) =>
      whileChanging(id, async () => {
        this.#options.assertWritable();
        this.held(id, file, options);
        if (keep) await this.#options.complete(id, file).catch(adviseToPurge);
        const { summary, identity } = this.held(id, file, {});
        const inspect = () =>
          assertUnchanged(this.#options.fs, join(this.#options.directory, file), identity);
        const result = await take(file, summary, inspect);
        this.#options.view.forget(file);
        void this.#options.lives.forget(id);
        return result;
      }),
    );
  }

  /** Moves files that lost against this session's own out of the way, so that none of them takes its place. */
  async quarantineDuplicates(id: SessionId): Promise<string[]> {
    const moved: string[] = [];
    for (const file of this.#catalog.duplicatesOf(id)) {
      const place = await this.quarantine(file);
      if (place !== undefined) moved.push(place);
    }
    return moved;
  }

  /** The document as it is on disk now, with the index brought up to date. For callers that hold the queue. */
  document(file: string, id: SessionId): Promise<Document> {
    return this.#documents.document(file, id);
  }

  has(id: SessionId): boolean {
    return this.#catalog.index.has(id);
  }

  /** Also of a file that another program put there a moment ago. */
  exists(id: SessionId): boolean {
    if (!this.has(id)) this.#options.view.glance(fileFor(id));
    return this.has(id);
  }

  summary(id: SessionId): SessionSummary {
    const summary = this.#catalog.index.get(id);
    if (summary === undefined) throw this.missing(id);
    return summary;
  }

  /** @throws SessiondError `revision_mismatch`, or the reason why there is no such session */
  assertExpected(id: SessionId, options: ChangeOptions): void {
    assertExpected(this.summary(id), options);
  }

  missing(id: SessionId): SessiondError {
    const { place } = this.#options.view;
    if (!place.isHeld()) return place.away();
    const unreadable = this.#catalog.unreadableFor(id);
    if (unreadable !== undefined) {
      const why = this.#catalog.whyUnreadable(unreadable);
      const message = `${unreadable}: ${why}; it is kept as it is until you mend or recover it`;
      return new SessiondError("session_corrupt", message);
    }
    if (this.#options.isDeleted(id)) {
      const message = `session "${id}" was deleted and is in the trash; bring it back with: sessionctl trash restore ${shellOperand(id)}`;
      return new SessiondError("session_deleted", message);
    }
    return new SessiondError("session_not_found", `there is no session "${id}"`);
  }

  held(id: SessionId, file: string, options: ChangeOptions): { summary: SessionSummary; identity: Identity } {
    this.#options.view.look(file);
    const state = this.#catalog.get(file);
    if (state?.kind !== "session" || state.id !== id) throw this.missing(id);
    const summary = this.summary(id);
    assertExpected(summary, options);
    return { summary, identity: state.identity };
  }

  get #catalog() {
    return this.#options.view.catalog;
  }

  /** Replaces `before`, and only that state of the file; without it nothing may be there. */
  async #write(
    file: string,
    session: Session,
    before: Document | undefined,
    inspect = () => {},
  ): Promise<Document> {
    const bytes = await encodeSession(partsOf(session));
    const mode = before?.mode ?? newFileMode;
    const identity = await this.replaceFile(file, bytes, mode, before?.identity, inspect);
    return { session, identity, bytes: bytes.length, mode };
  }

  /**
   * Writes a session's file, durably, if it is still in the state that is expected; without one nothing may be there. `inspect`
   * throws when that is not enough.
   */
  replaceFile(
    file: string,
    bytes: Buffer,
    mode: number,
    expected: Identity | undefined,
    inspect = () => {},
  ): Promise<Identity> {
    const { fs, directory, files, view } = this.#options;
    const inspectAll = () => {
      if (!view.place.isHeld()) throw view.place.away();
      assertUnchanged(fs, join(directory, file), expected);
      inspect();
    };
    return files.write(directory, file, bytes, {
      mode,
      exclusive: expected === undefined,
      inspect: inspectAll,
    });
  }

  #stored(id: SessionId, session: Session): StoredSession {
    return withRevision(this.summary(id), session);
  }
}

/** The revision is the one that the index knows. */
function withRevision(summary: SessionSummary, session: Session): StoredSession {
  const { revision } = summary;
  return { summary, session: session.revision === revision ? session : { ...session, revision } };
}
