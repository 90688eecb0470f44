/** Sessions as they are now: from memory where they are being reported on, else from their files, which anybody may be writing. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nextSlice } from "../../../async/slices.ts";
import type { SessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Document, isRecent, readDocumentInSlices } from "../disk/read-document.ts";
import type { Before } from "../reported/reported-session.ts";
import type { LiveSessions } from "../reported/reported-sessions.ts";
import type { DirectoryView } from "../view/directory-view.ts";

/** How long after one another a half-written document is read again before it counts as unreadable. */
const halfWrittenDelaysMs = [20, 50, 100, 200];

export interface SessionDocumentsOptions {
  fs: FileSystem;
  directory: string;
  view: DirectoryView;
  lives: LiveSessions;
  /** Why there is no such session. */
  missing: (id: SessionId) => SessiondError;
}

/** A document, and what was known of the session in the moment in which it was this. */
export interface Current extends Document {
  summary: SessionSummary;
  before: Before;
}

/** Callers hold the queue of the file. */
export class SessionDocuments {
  readonly #options: SessionDocumentsOptions;

  constructor(options: SessionDocumentsOptions) {
    this.#options = options;
  }

  /** The session as it is, from memory where it is being reported on, else from its file. */
  async current(file: string, id: SessionId): Promise<Current> {
    const { lives } = this.#options;
    const document = await this.ready(file, id);
    // A document that was half written is given its reports when it is whole.
    if (document !== undefined && lives.get(id) === undefined) return { ...document, ...this.#known(id) };
    const [live, state] = [lives.get(id), this.#holding(file, id)];
    if (live === undefined || state === undefined) throw this.#options.missing(id);
    const { documentBytes: bytes, mode } = live;
    // First, as other programs go on while a large session is put together.
    const known = { bytes, mode, identity: state.identity, ...this.#known(id) };
    return { ...known, session: await live.state.toSession() };
  }

  /** Takes in what another program may have written. Resolves with the document, if it had to be read for that. */
  async ready(file: string, id: SessionId): Promise<Document | undefined> {
    const { lives, view } = this.#options;
    if (lives.get(id) !== undefined) view.look(file);
    const isInMemory = lives.get(id) !== undefined && this.#holding(file, id) !== undefined;
    return isInMemory ? undefined : this.document(file, id);
  }

  #known(id: SessionId): Pick<Current, "summary" | "before"> {
    const summary = this.#catalog.index.get(id);
    if (summary === undefined) throw this.#options.missing(id);
    return { summary, before: this.#options.lives.before(id) };
  }

  #holding(file: string, id: SessionId) {
    const state = this.#catalog.get(file);
    return state?.kind === "session" && state.id === id ? state : undefined;
  }

  /** The document as it is on disk now, with the index brought up to date; waits a little for a half-written one. */
  async document(file: string, id: SessionId): Promise<Document> {
    for (const delayMs of [...halfWrittenDelaysMs, undefined]) {
      await nextSlice();
      const looked = this.#options.view.look(file);
      const state = this.#holding(file, id);
      if (state !== undefined) {
        const known = looked?.identity === state.identity;
        const document = known
          ? looked
          : await readDocumentInSlices(this.#options.fs, join(this.#options.directory, file));
        if (document?.identity === state.identity) return this.#withWaiting(id, document);
        // It was readable when it was in this state.
        this.#options.view.look(file, { isAfresh: true });
      } else if (
        this.#catalog.get(file)?.kind !== "unreadable" ||
        !isRecent(this.#options.fs, join(this.#options.directory, file))
      ) {
        throw this.#options.missing(id);
      }
      if (delayMs !== undefined) await sleep(delayMs);
    }
    throw this.#options.missing(id);
  }

  /** Gives reports that waited for a document to be readable to it. */
  async #withWaiting(id: SessionId, document: Document): Promise<Document> {
    const { lives } = this.#options;
    if (!lives.isWaiting(id)) return document;
    // The index has shown it without them.
    const revision = (this.#catalog.index.get(id)?.revision ?? 0) + 1;
    const session = { ...document.session, revision };
    const summary = lives.adopted({ ...document, session });
    if (summary !== undefined) this.#catalog.index.from("report", () => this.#catalog.index.set(summary));
    const live = lives.get(id);
    return { ...document, session: live === undefined ? session : await live.state.toSession() };
  }

  get #catalog() {
    return this.#options.view.catalog;
  }
}
