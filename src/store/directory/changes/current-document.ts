/**
 * The document of a session as it is now: from memory while workers report on the session, else from its
 * file, which other programs may be writing. Callers hold the queue of the file.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { yieldIfDue } from "../../../async/slices.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Document, isRecent, readDocumentInSlices } from "../disk/read-document.ts";
import type { Journal } from "../journal/journal.ts";
import type { ReportedSession } from "../reported/reported-session.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { SessionSlots } from "./session-slots.ts";

/** How long after one another a half-written document is read again before it counts as unreadable. */
const halfWrittenDelaysMs = [20, 50, 100, 200];

export interface CurrentDocumentsOptions {
  fs: FileSystem;
  directory: string;
  view: DirectoryView;
  slots: SessionSlots;
  known: KnownSessions;
  journal: Journal;
}

/** The state of a session that a change is made to. */
interface Base {
  reported: ReportedSession | undefined;
  version: number | undefined;
  /** Sequence of the last report that the state includes; 0 if there is none. */
  lastReport: number;
}

/** A document, and what was known of the session at the same moment. */
export interface Current extends Document {
  summary: SessionSummary;
  base: Base;
}

export class CurrentDocuments {
  readonly #options: CurrentDocumentsOptions;

  constructor(options: CurrentDocumentsOptions) {
    this.#options = options;
  }

  /** The session with every acknowledged report. */
  async current(file: string, id: SessionId): Promise<Current> {
    const { slots, known } = this.#options;
    const document = await this.takeIn(file, id);
    const reported = slots.reported(id);
    // A half-written document is given the waiting reports once it is whole.
    if (reported === undefined && document !== undefined) return { ...document, ...this.#known(id) };
    const state = this.#holding(file, id);
    if (reported === undefined || state === undefined) throw known.missing(id);
    const { documentBytes: bytes, mode } = reported;
    // These facts are taken first: other programs go on while a large session is put together.
    const facts = { bytes, mode, identity: state.identity, ...this.#known(id) };
    return { ...facts, session: await reported.working.toSession() };
  }

  /** Whether the session has not been replaced since. */
  isStill(id: SessionId, { base }: Pick<Current, "base">): boolean {
    const reported = this.#options.slots.reported(id);
    return reported === base.reported && reported?.working.version === base.version;
  }

  /**
   * Takes in what another program may have written. Resolves with the document if the file had to be read.
   */
  async takeIn(file: string, id: SessionId): Promise<Document | undefined> {
    const { slots, view } = this.#options;
    if (slots.reported(id) !== undefined) view.look(file);
    const isInMemory = slots.reported(id) !== undefined && this.#holding(file, id) !== undefined;
    return isInMemory ? undefined : this.document(file, id);
  }

  /**
   * Reads the document from its file and brings the index up to date. Waits a little for a half-written
   * document.
   */
  async document(file: string, id: SessionId): Promise<Document> {
    const { fs, directory, view, known } = this.#options;
    const path = join(directory, file);
    for (const delayMs of [...halfWrittenDelaysMs, undefined]) {
      await yieldIfDue();
      await view.readAhead(file);
      const looked = view.look(file);
      const state = this.#holding(file, id);
      if (state !== undefined) {
        const isThis = looked?.identity === state.identity;
        const document = isThis ? looked : await readDocumentInSlices(fs, path);
        if (document?.identity === state.identity) return this.#withWaiting(id, document);
        // The document was readable in this state before, so what the view knows is not believed.
        view.look(file, { isAfresh: true });
      } else if (view.catalog.get(file)?.kind !== "unreadable" || !isRecent(fs, path)) {
        throw known.missing(id);
      }
      if (delayMs !== undefined) await sleep(delayMs);
    }
    throw known.missing(id);
  }

  /** Adds the reports that waited until the document could be read. */
  async #withWaiting(id: SessionId, document: Document): Promise<Document> {
    const { slots, view } = this.#options;
    if (!slots.find(id)?.reported?.isUnreadable) return document;
    const { index } = view.catalog;
    // The index has shown this revision without the reports.
    const revision = (index.get(id)?.revision ?? 0) + 1;
    const session = { ...document.session, revision };
    const summary = slots.adopted({ ...document, session });
    if (summary !== undefined) index.from("report", () => index.set(summary));
    const reported = slots.reported(id);
    return { ...document, session: reported === undefined ? session : await reported.working.toSession() };
  }

  #known(id: SessionId): Pick<Current, "summary" | "base"> {
    const { slots, known, journal } = this.#options;
    const reported = slots.reported(id);
    const lastReport = journal.newestReport(id) ?? 0;
    const base = { reported, version: reported?.working.version, lastReport };
    return { summary: known.summary(id), base };
  }

  #holding(file: string, id: SessionId) {
    const state = this.#options.view.catalog.get(file);
    return state?.kind === "session" && state.id === id ? state : undefined;
  }
}
