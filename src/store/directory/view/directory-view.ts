/**
 * What is known of the directory: brings the catalog up to date with one file at a time. Does not decide when
 * to look.
 *
 * The room store/directory/view/ owns what is in the directory: hints, looks, the catalog of files,
 * comparing all of them, the saved index. It changes no file of a session.
 */
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import type { KeyedQueue } from "../../../async/keyed-queue.ts";
import { systemErrorCode } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { SessionSummary } from "../../../session/session.ts";
import { UnreadableError } from "../../document/decode-session.ts";
import { storageError } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Document, readDocument, statDocument } from "../disk/read-document.ts";
import { type Identity, identityOf } from "../disk/session-file.ts";
import { Doubts, FileInDoubt } from "./doubts.ts";
import { type CatalogOptions, FileCatalog, type FileState } from "./file-catalog.ts";
import { Place } from "./place.ts";
import { largeFile, ReadAhead } from "./read-ahead.ts";

/** A file that changes while it is read ahead is read again; the last time, the look reads it in one go. */
const maxReadsAhead = 3;

/** Errors that keep a file from being read and say nothing about the file. */
const momentary = ["EMFILE", "ENFILE", "ENOMEM"];

export interface Look {
  /** Read the file even if it is in the state in which it was read last. */
  isAfresh?: boolean;
  /** A file that is missing or unreadable has been so for a while: no doubt is raised. */
  isSure?: boolean;
}

/** Learns what other programs did to session files. */
export interface OutsideChanges {
  /**
   * A document was found in the file of a session. Returns the summary of the session with the reports that
   * no file holds; undefined if there are none.
   */
  adopted(document: Document): SessionSummary | undefined;
  /** The file of a session is missing. */
  lost(id: string, identity: Identity): void;
}

export interface ViewOptions extends CatalogOptions {
  fs: FileSystem;
  directory: string;
  logger: Logger;
  outside: OutsideChanges;
  /** Called when another directory is at the path of the one that was opened. */
  onReplaced: (error: Error) => void;
}

export class DirectoryView {
  readonly catalog: FileCatalog;
  readonly place: Place;
  readonly #options: ViewOptions;
  readonly #doubts = new Doubts((file, isLast) => this.refresh(file, { isSure: isLast }));
  readonly #queue: KeyedQueue;
  readonly #ahead: ReadAhead;
  #closed = false;

  constructor(options: ViewOptions, queue: KeyedQueue) {
    this.#options = options;
    this.#queue = queue;
    this.#ahead = new ReadAhead(options.fs, options.directory);
    this.catalog = new FileCatalog(options);
    this.place = new Place(options);
  }

  /**
   * Brings the catalog up to date with one file, at once, and returns the document if it had to be read.
   * Callers hold the file's queue, or know that nothing else runs.
   *
   * @throws FileInDoubt for a session's file that is missing or half written, unless the look `isSure`
   */
  look(file: string, how: Look = {}): Document | undefined {
    const document = this.catalog.index.from("outside", () => this.#look(file, how));
    if (this.#doubts.has(file)) throw new FileInDoubt(file);
    return document;
  }

  /** As `look`, for a caller that can go on without being sure. */
  glance(file: string, how: Look = {}): void {
    this.catalog.index.from("outside", () => this.#look(file, how));
  }

  /** Whether a file is in the state in which it was read last; false if it cannot be looked at. */
  isCurrent(file: string): boolean {
    const { fs, directory } = this.#options;
    const stats = statOrFailure(fs, join(directory, file));
    if (stats instanceof Error) return false;
    return stats === undefined ? this.catalog.get(file) === undefined : this.#isKnown(file, stats);
  }

  /**
   * Runs a task in the queue of a file. If another program wrote a large document there, that is read before
   * the task looks at it.
   */
  run<T>(file: string, task: () => Promise<T>): Promise<T> {
    return this.#queue.run(file, () => {
      if (this.#changedLarge(file) === undefined) return task();
      return this.readAhead(file)
        .then(task)
        .finally(() => this.#ahead.drop(file));
    });
  }

  /** Reads a large file that has changed, in slices, for the look that follows. Callers hold its queue. */
  async readAhead(file: string): Promise<void> {
    for (let count = 0; count < maxReadsAhead; count++) {
      const state = this.#changedLarge(file);
      if (state === undefined || this.#ahead.has(file, state)) return;
      await this.#ahead.read(file, state);
    }
  }

  /** The state of a file that is large, and not as it was when it was read last. */
  #changedLarge(file: string): Identity | undefined {
    const { fs, directory } = this.#options;
    const stats = statOrFailure(fs, join(directory, file));
    if (stats === undefined || stats instanceof Error || stats.size < largeFile) return undefined;
    return this.#isKnown(file, stats) ? undefined : stateOf(stats);
  }

  /** Resolves when there is no doubt about a file any more. */
  whenSure(file: string): Promise<void> {
    return this.#doubts.over(file);
  }

  /** Resolves when there is no doubt about any of the files that are in doubt now. */
  whenAllSure(): Promise<void> {
    return this.#doubts.allOver();
  }

  /** Looks at nothing by itself any more. */
  close(): void {
    this.#closed = true;
    this.#doubts.close();
  }

  #look(file: string, { isAfresh = false, isSure = false }: Look): Document | undefined {
    const path = join(this.#options.directory, file);
    const known = this.catalog.get(file);
    const stats = statOrFailure(this.#options.fs, path);
    if (stats instanceof Error) {
      // The directory cannot be looked at, which does not mean that the file is gone.
      this.place.failed(stats);
      return undefined;
    }
    if (stats === undefined) {
      if (known === undefined || !this.place.isHeld()) return undefined;
      if (known.kind !== "duplicate" && known.id !== undefined && !isSure) this.#doubt(file);
      else this.#gone(file);
      return undefined;
    }
    if (!isAfresh && this.#isKnown(file, stats)) {
      this.#sure(file);
      return undefined;
    }
    try {
      const ahead = this.#ahead.take(file, stateOf(stats));
      const document = ahead === undefined ? readDocument(this.#options.fs, path) : ahead.document;
      if (document === undefined) this.#gone(file);
      else this.#adopt(file, document);
      this.#sure(file);
      return document;
    } catch (error) {
      if (momentary.includes(systemErrorCode(error) ?? "")) {
        // This says nothing about the file. It is looked at again when everything is compared.
        this.#options.logger.warn({ file, err: error }, "a session file could not be read now");
        return undefined;
      }
      if (known?.kind === "session" && !isSure) {
        this.#doubt(file);
        return undefined;
      }
      const why = error instanceof UnreadableError ? error.message : storageError(error).message;
      this.#doubts.end(file);
      this.#lookAgain(this.catalog.markUnreadable(file, stateOf(stats), why));
      return undefined;
    }
  }

  /** Whether a file is in the state in which it was read last. */
  #isKnown(file: string, stats: BigIntStats): boolean {
    const known = this.catalog.get(file);
    return known?.identity === (known?.kind === "unreadable" ? stateOf(stats) : identityOf(stats));
  }

  #gone(file: string): void {
    const known = this.catalog.get(file);
    this.#doubts.end(file);
    this.#lookAgain(this.catalog.forget(file, "gone"));
    this.#lost(known);
  }

  /** Keeps the session as it was for a moment. If another file holds the session, that file takes over. */
  #doubt(file: string): void {
    if (this.#doubts.has(file)) return;
    this.#doubts.raise(file);
    this.#lookAgain(this.catalog.doubt(file));
  }

  #sure(file: string): void {
    this.catalog.trust(file);
    this.#doubts.end(file);
  }

  #adopt(file: string, document: Document): void {
    const known = this.catalog.get(file);
    this.#lookAgain(this.catalog.adopt(file, document));
    const { session_id } = document.session;
    if (known?.id !== session_id) this.#lost(known);
    if (this.catalog.fileOf(session_id) !== file) return;
    const revision = this.catalog.index.get(session_id)?.revision;
    const summary = this.#options.outside.adopted({
      ...document,
      session: { ...document.session, revision },
    });
    if (summary !== undefined) this.catalog.index.set(summary);
  }

  /** Another program took the file of a session away, or put another session in it. */
  #lost(known: FileState | undefined): void {
    if (known?.id !== undefined && this.catalog.fileOf(known.id) === undefined)
      this.#options.outside.lost(known.id, known.identity);
  }

  /** sessiond took the file away itself. */
  forget(file: string): void {
    this.#lookAgain(this.catalog.forget(file, "removed"));
  }

  /** Looks in the queue of the file. A doubt that the look raises ends later. */
  refresh(file: string, how: Look = {}): Promise<void> {
    return this.run(file, async () => this.glance(file, how));
  }

  #lookAgain(files: readonly string[]): void {
    for (const file of files) if (!this.#closed) void this.refresh(file);
  }
}

function statOrFailure(fs: FileSystem, path: string): BigIntStats | undefined | Error {
  try {
    return statDocument(fs, path);
  } catch (error) {
    return error as Error;
  }
}

/** The permissions of an unreadable file count too: changing them may make the file readable. */
function stateOf(stats: BigIntStats): Identity {
  return `${identityOf(stats)}:${stats.ctimeNs}`;
}
