/**
 * What is in the directory, as far as anybody looked: brings the catalog up to date with one file at a time.
 * When to look is for others to say.
 */
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import type { KeyedQueue } from "../../../async/keyed-queue.ts";
import { systemErrorCode } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { SessionSummary } from "../../../session/session.ts";
import { storageError } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Document, readDocument, statDocument } from "../disk/read-document.ts";
import { type Identity, identityOf, UnreadableError } from "../disk/session-codec.ts";
import { Doubts, FileInDoubt } from "./doubts.ts";
import { type CatalogOptions, FileCatalog, type FileState } from "./file-catalog.ts";
import { Place } from "./place.ts";

/** What keeps a file from being read and says nothing about the file. */
const momentary = ["EMFILE", "ENFILE", "ENOMEM"];

export interface Look {
  /** What is known of a file in this very state is not believed. */
  isAfresh?: boolean;
  /** A file that is missing or unreadable now has been so for a while. */
  isSure?: boolean;
}

/** Told of what other programs did to a session file. */
export interface OutsideChanges {
  /** A document was found in a file; the summary returned, if any, is what the session is now. */
  adopted(document: Document): SessionSummary | undefined;
  /** The file of this session is gone. */
  lost(id: string, identity: Identity): void;
}

export interface ViewOptions extends CatalogOptions {
  fs: FileSystem;
  directory: string;
  logger: Logger;
  outside: OutsideChanges;
  /** Told when the directory that was opened is not the one at its path any more. */
  onReplaced: (error: Error) => void;
}

export class DirectoryView {
  readonly catalog: FileCatalog;
  readonly place: Place;
  readonly #options: ViewOptions;
  readonly #doubts = new Doubts((file, isLast) => this.refresh(file, { isSure: isLast }));
  readonly #queue: KeyedQueue;
  #closed = false;

  constructor(options: ViewOptions, queue: KeyedQueue) {
    this.#options = options;
    this.#queue = queue;
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
      // Not to be taken for a file that is gone: what is known stays known.
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
      const document = readDocument(this.#options.fs, path);
      if (document === undefined) this.#gone(file);
      else this.#adopt(file, document);
      this.#sure(file);
      return document;
    } catch (error) {
      if (momentary.includes(systemErrorCode(error) ?? "")) {
        // No word about this file, which is looked at again when everything is compared.
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

  /** The session stays what it was for a moment; if another file has it, that one takes over. */
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

  /** Another program took away the file of a session, or gave it to another one. */
  #lost(known: FileState | undefined): void {
    if (known?.id !== undefined && this.catalog.fileOf(known.id) === undefined)
      this.#options.outside.lost(known.id, known.identity);
  }

  /** The file was taken away by us. */
  forget(file: string): void {
    this.#lookAgain(this.catalog.forget(file, "removed"));
  }

  /** Looks in the file's queue. A doubt that it raises ends later. */
  refresh(file: string, how: Look = {}): Promise<void> {
    return this.#queue.run(file, async () => this.glance(file, how));
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

/** Of a file that cannot be read, also its permissions count: changing them may mend it. */
function stateOf(stats: BigIntStats): Identity {
  return `${identityOf(stats)}:${stats.ctimeNs}`;
}
