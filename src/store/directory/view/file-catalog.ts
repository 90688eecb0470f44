/**
 * What is known of every file in the sessions directory, and through it the index. Decides which file is the
 * session if two have one id, and which revision follows when another program wrote. Reads no file.
 */
import { type SessionSummary, summarize, writtenRevision } from "../../../session/session.ts";
import { parseTimestamp } from "../../../time/clock.ts";
import { SessionIndex } from "../../session-index.ts";
import type { Gone } from "../../session-store.ts";
import type { Document } from "../disk/read-document.ts";
import { alternativeFileFor, fileFor, type Identity } from "../disk/session-file.ts";
import { PastRevisions } from "./past-revisions.ts";
import type { SavedFile } from "./saved-index.ts";

export type FileState =
  /**
   * `inDoubt` while the file is missing or half written: it is still the session, but any other file of the
   * session takes over.
   */
  | { kind: "session"; identity: Identity; id: string; inDoubt?: true }
  /** Another file with the same id has the newer checkpoint. */
  | { kind: "duplicate"; identity: Identity; id: string }
  /** `id` is what it held when it could last be read. */
  | { kind: "unreadable"; identity: Identity; id: string | undefined; why: string };

export interface CatalogOptions {
  /** Shows what the catalog knows of sessions; a new one unless it is given. */
  index?: SessionIndex;
  /** Whether a session of this id is in the trash. */
  isRestorable?: (id: string) => boolean;
}

export class FileCatalog {
  readonly index: SessionIndex;
  readonly #isRestorable: (id: string) => boolean;
  readonly #files = new Map<string, FileState>();
  readonly #fileOf = new Map<string, string>();
  readonly #unreadable = new Set<string>();
  /** By id, the files that lost against the one that is the session. */
  readonly #duplicates = new Map<string, Set<string>>();
  readonly #past = new PastRevisions();

  constructor({ index = new SessionIndex(), isRestorable = () => false }: CatalogOptions = {}) {
    this.index = index;
    this.#isRestorable = isRestorable;
  }

  /** The last revision that is known of a session, also of one that is gone; 0 if none is. */
  pastRevision(id: string): number {
    return this.index.get(id)?.revision ?? this.#past.get(id)?.revision ?? 0;
  }

  get(file: string): FileState | undefined {
    return this.#files.get(file);
  }

  fileOf(id: string): string | undefined {
    return this.#fileOf.get(id);
  }

  /** Whether one of the files has this inode. */
  holds(inode: bigint): boolean {
    const wanted = `${inode}:`;
    for (const { identity } of this.#files.values()) if (identity.startsWith(wanted)) return true;
    return false;
  }

  names(): IterableIterator<string> {
    return this.#files.keys();
  }

  duplicatesOf(id: string): string[] {
    return [...(this.#duplicates.get(id) ?? [])];
  }

  /** Every file that lost against the one that is the session, by session. */
  *duplicates(): Generator<[id: string, file: string]> {
    for (const [id, files] of this.#duplicates) for (const file of files) yield [id, file];
  }

  unreadableFiles(): Iterable<string> {
    return this.#unreadable;
  }

  /** The file in which a session of this id would be, if it could be read. */
  unreadableFor(id: string): string | undefined {
    const natural = [fileFor(id), alternativeFileFor(id), `${id}.json`];
    for (const file of this.#unreadable) {
      const known = this.#files.get(file)?.id;
      if (known === undefined ? natural.includes(file) : known === id) return file;
    }
    return undefined;
  }

  whyUnreadable(file: string): string {
    const state = this.#files.get(file);
    return state?.kind === "unreadable" ? state.why : "unreadable";
  }

  /**
   * Takes in what a file holds now. Without `revision`, another program wrote it: the revision is the one
   * that follows the known one, or the one in the document if that is higher. Returns the duplicates that
   * must be looked at again: those of a session that the file held before, and those that lost against its
   * former content.
   */
  adopt(file: string, document: Document, revision?: number): string[] {
    const { session, identity, bytes } = document;
    const id = session.session_id;
    const before = this.#files.get(file);
    const again =
      before !== undefined && before.id !== undefined && before.id !== id ? this.forget(file, "gone") : [];
    this.#clear(file);
    const known = revision ?? this.#outsideRevision(writtenRevision(session), id, identity);
    const isOutside = revision === undefined;
    again.push(...this.#place(file, identity, summarize(session, known, bytes), isOutside));
    return again;
  }

  /**
   * Takes in a file that has not changed since the index was saved. Returns false if the file or its session
   * is known already.
   */
  adoptSaved({ file, identity, entry }: SavedFile): boolean {
    const id = entry.summary.session_id;
    // A session that came and went while the index was saved may be in it twice.
    if (this.#fileOf.has(id) || this.#files.has(file)) return false;
    this.#files.set(file, { kind: "session", identity, id });
    this.#fileOf.set(id, file);
    this.index.add(entry);
    return true;
  }

  /**
   * The file of a saved entry has changed since, and is read. Whoever saw the session before the start must
   * not find its revision again with another content.
   */
  passOver({ identity, entry: { summary } }: SavedFile): void {
    this.#past.remember(summary.session_id, { revision: summary.revision, identity });
  }

  /** Every file that is the one of its session, as `adoptSaved` takes it at the next start. */
  *toSave(): Generator<SavedFile> {
    for (const [file, { kind, identity, id }] of this.#files) {
      const isIts = kind === "session" && this.#fileOf.get(id) === file;
      const entry = isIts ? this.index.entry(id) : undefined;
      if (entry !== undefined) yield { file, identity, entry };
    }
  }

  /** Decides whether a file is the one of its session. Returns the duplicates to look at again. */
  #place(file: string, identity: Identity, summary: SessionSummary, isOutside: boolean): string[] {
    const id = summary.session_id;
    const rival = this.#fileOf.get(id);
    if (rival !== undefined && this.#isInDoubt(rival)) {
      if (rival !== file) this.#clear(rival);
    } else if (rival !== undefined && rival !== file) {
      const known = this.index.get(id) as SessionSummary;
      if (!isNewer(summary, file, known, rival)) {
        this.#addDuplicate(file, id, identity);
        return [];
      }
      this.#addDuplicate(rival, id, (this.#files.get(rival) as FileState).identity);
    }
    this.#files.set(file, { kind: "session", identity, id });
    this.#fileOf.set(id, file);
    this.index.set(summary);
    return isOutside && rival === file ? this.#dropDuplicates(id) : [];
  }

  /** sessiond wrote the file. What the index says of the session is not older than what was written. */
  written(file: string, identity: Identity, bytes: number): void {
    const state = this.#files.get(file);
    if (state?.kind !== "session") return;
    this.#files.set(file, { ...state, identity });
    const summary = this.index.get(state.id);
    if (summary !== undefined) this.index.set({ ...summary, bytes });
  }

  /**
   * The file is missing or half written, perhaps only for a moment. Returns the duplicates to look at again.
   */
  doubt(file: string): string[] {
    const state = this.#files.get(file);
    if (state?.kind !== "session") return [];
    this.#files.set(file, { ...state, inDoubt: true });
    return this.#dropDuplicates(state.id);
  }

  /** The file is as it was. */
  trust(file: string): void {
    const state = this.#files.get(file);
    if (state?.kind !== "session" || !state.inDoubt) return;
    const { inDoubt: _, ...known } = state;
    this.#files.set(file, known);
  }

  markUnreadable(file: string, identity: Identity, why: string): string[] {
    const id = this.#files.get(file)?.id;
    const again = this.forget(file, "unreadable");
    this.#files.set(file, { kind: "unreadable", identity, id, why });
    this.#unreadable.add(file);
    return again;
  }

  /**
   * The file holds no session any more. Returns the duplicates to look at again: one of them may be the
   * session now.
   */
  forget(file: string, cause: Gone["cause"]): string[] {
    const state = this.#files.get(file);
    this.#clear(file);
    const id = state?.id;
    if (state === undefined || id === undefined || state.kind === "duplicate") return [];
    if (state.kind === "session") {
      this.#fileOf.delete(id);
      this.#past.remember(id, { revision: this.pastRevision(id), identity: state.identity });
    } else if (this.#fileOf.has(id) || cause !== "gone") {
      // The file is still unreadable, or in quarantine. Whoever replaces it announces what became of the
      // session.
      return [];
    }
    this.index.delete(id, { cause, restorable: this.#isRestorable(id) });
    return this.#dropDuplicates(id);
  }

  /** Forgets the duplicates of a session, so that they are judged again. */
  #dropDuplicates(id: string): string[] {
    const files = this.duplicatesOf(id);
    for (const file of files) this.#clear(file);
    return files;
  }

  #outsideRevision(written: number, id: string, identity: Identity): number {
    const past = this.#past.get(id);
    const file = this.#fileOf.get(id);
    const state = file === undefined ? undefined : this.#files.get(file);
    // The same file that is in doubt, under another name.
    if (state?.kind === "session" && state.inDoubt && state.identity === identity)
      return this.pastRevision(id);
    // The same file that was gone: renamed, or restored from the trash.
    if (past?.identity === identity && this.index.get(id) === undefined) return past.revision;
    return Math.max(written, this.pastRevision(id) + 1);
  }

  #isInDoubt(file: string): boolean {
    const state = this.#files.get(file);
    return state?.kind === "session" && state.inDoubt === true;
  }

  #addDuplicate(file: string, id: string, identity: Identity): void {
    this.#files.set(file, { kind: "duplicate", identity, id });
    const files = this.#duplicates.get(id);
    if (files === undefined) this.#duplicates.set(id, new Set([file]));
    else files.add(file);
  }

  #clear(file: string): void {
    const state = this.#files.get(file);
    this.#files.delete(file);
    this.#unreadable.delete(file);
    if (state?.kind !== "duplicate") return;
    const files = this.#duplicates.get(state.id);
    files?.delete(file);
    if (files?.size === 0) this.#duplicates.delete(state.id);
  }
}

/**
 * The newer checkpoint wins; of equal ones the file that has the session's own name, then the first by name.
 */
function isNewer(summary: SessionSummary, file: string, known: SessionSummary, rival: string): boolean {
  const difference =
    (parseTimestamp(summary.checkpoint_time) ?? 0) - (parseTimestamp(known.checkpoint_time) ?? 0);
  if (difference !== 0) return difference > 0;
  const natural = fileFor(summary.session_id);
  if (file === natural || rival === natural) return file === natural;
  return file < rival;
}
