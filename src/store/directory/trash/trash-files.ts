/**
 * The files of removed sessions: for each its document (`<trash_id>.json`) and a note of where it came from
 * (`<trash_id>.info`). The note is written first, and is not synced: if a power cut destroys it, the document
 * still says which session it is.
 */
import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import { yieldIfDue } from "../../../async/slices.ts";
import { type TrashEntry, trashEntryReply } from "../../../contract/replies.ts";
import { systemErrorCode } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import { formatTimestamp, type Micros, parseTimestamp } from "../../../time/clock.ts";
import { type DurableFiles, type Place, storageError, TargetChanged } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { readDocument } from "../disk/read-document.ts";
import { fileFor, isSessionFile } from "../disk/session-file.ts";
import { whyOdd } from "../disk/state-files.ts";

const mostNoteBytes = 65_536n;

/** A trash entry, and the name of the file that it came from. */
export interface Trashed extends TrashEntry {
  file: string;
}

/** The entry as the contract has it: file names stay inside the store. */
export function withoutFile({ file: _, ...entry }: Trashed): TrashEntry {
  return entry;
}

export class TrashFiles {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #files: DurableFiles;
  /** By session id, oldest first. */
  readonly #entries = new Map<string, Trashed[]>();

  constructor(fs: FileSystem, directory: string, files: DurableFiles) {
    this.#fs = fs;
    this.#directory = directory;
    this.#files = files;
  }

  /**
   * Reads the trash. `isLive` says whether an inode is that of a session: then a restore was interrupted
   * after it had put the document in place, and the second name in the trash is removed.
   */
  async load(isLive: (inode: bigint) => boolean): Promise<void> {
    const names = this.#fs.readdirSync(this.#directory).sort();
    const present = new Set(names);
    for (const name of names) {
      await yieldIfDue();
      if (name.endsWith(".info") && !present.has(name.replace(/info$/, "json"))) {
        if (this.#fs.lstatSync(join(this.#directory, name))?.isFile()) await this.#unlink(name);
      } else if (name.endsWith(".json")) {
        const stats = this.#fs.lstatSync(join(this.#directory, name));
        if (!stats?.isFile()) continue;
        if (stats.nlink > 1n && isLive(stats.ino)) await this.#unlink(name);
        else this.#add(this.#describe(name.slice(0, -".json".length), Number(stats.size)));
      }
    }
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Newest first. */
  list(): Trashed[] {
    return [...this.#entries.values()]
      .flat()
      .sort((a, b) => (a.trash_id < b.trash_id ? 1 : a.trash_id > b.trash_id ? -1 : 0));
  }

  /** The entry with this trash id, or the newest of the session. */
  find(id: string, trashId: string | undefined): Trashed | undefined {
    const entries = this.#entries.get(id);
    return trashId === undefined ? entries?.at(-1) : entries?.find((entry) => entry.trash_id === trashId);
  }

  /**
   * Moves a session's file into the trash. `inspect` is called right before the move.
   *
   * @throws SessiondError `storage_full`, `storage_failed`; TargetChanged
   */
  async add(
    from: Place,
    summary: SessionSummary,
    reason: string,
    now: Micros,
    inspect: () => void,
  ): Promise<Trashed> {
    const removed_time = formatTimestamp(now);
    const entry: Trashed = {
      trash_id: `${removed_time.replace(/\D/g, "")}-${randomBytes(4).toString("hex")}`,
      session_id: summary.session_id,
      status: summary.status,
      removed_time,
      reason,
      bytes: summary.bytes,
      file: from[1],
    };
    const info = `${entry.trash_id}.info`;
    try {
      const options = { mode: 0o640, flag: "wx", flush: false } as const;
      this.#fs.writeFileSync(join(this.#directory, info), JSON.stringify(entry), options);
    } catch (error) {
      // A full disk must not stand in the way of making room: the document says enough without the note.
      await this.#unlink(info).catch(() => {});
      if (storageError(error).code !== "storage_full") throw storageError(error);
    }
    try {
      await this.#files.move(from, [this.#directory, `${entry.trash_id}.json`], { inspect });
    } catch (error) {
      if (error instanceof TargetChanged) await this.#unlink(info).catch(() => {});
      throw error;
    }
    this.#add(entry);
    return entry;
  }

  /**
   * Moves a document back to the sessions directory.
   *
   * @throws EEXIST if a file of that name is there; TargetChanged if the document is gone
   */
  async giveBack(entry: Trashed, to: Place): Promise<void> {
    try {
      await this.#files.move([this.#directory, `${entry.trash_id}.json`], to, { exclusive: true });
    } catch (error) {
      if (error instanceof TargetChanged) await this.#forget(entry);
      throw error;
    }
    await this.#forget(entry);
  }

  /** Deletes entries for good. */
  async purge(entries: readonly Trashed[]): Promise<void> {
    try {
      for (const entry of entries) {
        await this.#unlink(`${entry.trash_id}.json`);
        await this.#forget(entry);
      }
    } catch (error) {
      throw storageError(error);
    }
    await this.#files.sync(this.#directory);
  }

  async #forget(entry: Trashed): Promise<void> {
    // A note that stays behind is removed at the next start.
    await this.#unlink(`${entry.trash_id}.info`).catch(() => {});
    const rest = (this.#entries.get(entry.session_id) ?? []).filter(
      (other) => other.trash_id !== entry.trash_id,
    );
    if (rest.length === 0) this.#entries.delete(entry.session_id);
    else this.#entries.set(entry.session_id, rest);
  }

  async #unlink(name: string): Promise<void> {
    try {
      await this.#fs.unlink(join(this.#directory, name));
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
  }

  #add(entry: Trashed): void {
    const entries = this.#entries.get(entry.session_id);
    if (entries === undefined) this.#entries.set(entry.session_id, [entry]);
    else entries.push(entry);
  }

  #describe(trashId: string, bytes: number): Trashed {
    try {
      const path = join(this.#directory, `${trashId}.info`);
      if (whyOdd(this.#fs, path, mostNoteBytes) === undefined) {
        const info = JSON.parse(this.#fs.readFileSync(path).toString()) as Trashed;
        if (info.trash_id === trashId && isFileName(info.file) && trashEntryReply.safeParse(info).success)
          return info;
      }
    } catch {
      // No note, or half of one: the document says which session it is.
    }
    const entry = { trash_id: trashId, removed_time: timeIn(trashId), reason: "unknown", bytes };
    try {
      const session = readDocument(this.#fs, join(this.#directory, `${trashId}.json`))?.session;
      if (session !== undefined) {
        return {
          ...entry,
          session_id: session.session_id,
          status: session.status,
          file: fileFor(session.session_id),
        };
      }
    } catch {
      // The document cannot be read either: the entry goes by its trash id.
    }
    return { ...entry, session_id: trashId, status: null, file: `${trashId}.json` };
  }
}

/** A note that was tampered with must not lead a restore out of the directory. */
function isFileName(name: unknown): name is string {
  return typeof name === "string" && name === basename(name) && isSessionFile(name);
}

/** The time of removal, with which a trash id begins. */
function timeIn(trashId: string): string {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{6})-/.exec(trashId);
  const text =
    match === null
      ? ""
      : `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}.${match[7]}Z`;
  return parseTimestamp(text) === undefined ? formatTimestamp(0) : text;
}
