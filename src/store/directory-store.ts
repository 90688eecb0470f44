/** The SessionStore over a directory: one JSON file per session, everything of the daemon's own in `.sessiond/`. */
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Clock, formatTimestamp } from "../clock.ts";
import type {
  Backup,
  HealthProblem,
  Recovery,
  Restored,
  SessionPage,
  Stats,
  TrashEntry,
  TrashListing,
  Validation,
} from "../contract/replies.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import type { Logger } from "../log.ts";
import { applyCommand, type Command } from "../session/command.ts";
import {
  type NewSession,
  newSession,
  type Session,
  type SessionSummary,
  writtenRevision,
} from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import { shellOperand, shellQuote } from "../shell-quote.ts";
import { Backups } from "./backups.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { DirectoryView } from "./directory-view.ts";
import { DurableFiles, storageError } from "./durable-file.ts";
import { assertKnownFormat, recordFormat } from "./format.ts";
import {
  makeDirectories,
  makeDirectory,
  type OwnDirectories,
  ownDirectories,
  sweepStaging,
} from "./own-directories.ts";
import { directoryRecords } from "./records.ts";
import { recover, validate } from "./recovery.ts";
import { sessionExists } from "./refusals.ts";
import { alternativeFileFor, fileFor } from "./session-file.ts";
import { SessionFiles } from "./session-files.ts";
import type {
  ChangeOptions,
  ListQuery,
  Records,
  RemoveOptions,
  SaveOptions,
  SessionStore,
  StoredSession,
} from "./session-store.ts";
import { explained, StorageState } from "./storage-state.ts";
import { Trash, withoutFile } from "./trash.ts";

export interface DirectoryStoreOptions {
  directory: string;
  /** How often everything is compared with the directory, in case a hint was lost. */
  rescanIntervalMs: number;
  clock: Clock;
  logger: Logger;
  /** Let backups be written to and read from anywhere, for a caller with rights of its own. */
  outsideBackups?: boolean;
}

/** How often a save looks again whether there is a session, while others create and delete it. */
const saveAttempts = 20;

/** @throws SessiondError `directory_locked`, `storage_full`, `storage_failed` */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<SessionStore> {
  let lock: DirectoryLock | undefined;
  try {
    makeDirectory(resolve(options.directory));
    const directory = realpathSync(options.directory);
    const own = ownDirectories(directory);
    assertKnownFormat(own);
    makeDirectories(own);
    lock = lockDirectory(directory, join(own.base, "lock"));
    // Again, as nobody else can change it from here on.
    assertKnownFormat(own);
    sweepStaging(own);
    recordFormat(own);
    const store = new DirectoryStore({ ...options, directory }, own, lock);
    await store.open();
    return store;
  } catch (error) {
    lock?.release();
    throw storageError(error);
  }
}

class DirectoryStore implements SessionStore {
  readonly records: Records & { idle(): Promise<void> };
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #lock: DirectoryLock;
  readonly #queue = new KeyedQueue();
  readonly #creations = new KeyedQueue();
  readonly #files: DurableFiles;
  readonly #view: DirectoryView;
  readonly #trash: Trash;
  readonly #backups: Backups;
  readonly #sessions: SessionFiles;
  readonly #state: StorageState;
  #closing: Promise<void> | undefined;

  constructor(options: DirectoryStoreOptions, own: OwnDirectories, lock: DirectoryLock) {
    const { directory, clock, logger } = options;
    this.#directory = directory;
    this.#clock = clock;
    this.#lock = lock;
    this.#state = new StorageState(logger);
    const ownDirectories = [directory, own.base, own.trash, own.quarantine];
    this.#files = new DurableFiles(own.staging, ownDirectories, (error) => this.#state.fail(error));
    const assertWritable = () => this.#state.assertWritable();
    const onReplaced = (error: Error) => this.#state.fail(error);
    this.#view = new DirectoryView({ ...options, onReplaced }, this.#queue);
    this.#trash = new Trash(own.trash, this.#files);
    this.#backups = new Backups(directory, options.outsideBackups ?? false, this.#files);
    this.records = directoryRecords({
      directory: own.base,
      quarantine: own.quarantine,
      files: this.#files,
      logger,
      assertWritable,
    });
    this.#sessions = new SessionFiles({
      directory,
      quarantine: own.quarantine,
      files: this.#files,
      view: this.#view,
      queue: this.#queue,
      clock,
      isDeleted: (id) => this.#trash.has(id),
      assertWritable,
    });
  }

  get failed(): Promise<Error> {
    return this.#state.failed;
  }

  async open(): Promise<void> {
    try {
      await this.#files.sync(this.#directory);
      await this.#view.open();
      await this.#trash.load((inode) => this.#view.catalog.holds(inode));
    } catch (error) {
      await this.#view.close();
      await this.#files.close();
      throw error;
    }
  }

  create(input: NewSession): Promise<StoredSession> {
    const session = newSession(input, newGeneration(), formatTimestamp(this.#clock.now()));
    return this.#creating(input.session_id, () => this.#sessions.create(session));
  }

  read(id: SessionId): Promise<StoredSession> {
    return explained(() => this.#sessions.read(id));
  }

  apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    return this.#state.changing(() =>
      this.#sessions.change(id, options, (session) =>
        applyCommand(session, command, formatTimestamp(this.#clock.now())),
      ),
    );
  }

  save(session: Session, options: SaveOptions = {}): Promise<StoredSession & { created: boolean }> {
    return explained(() => this.#save(session, options));
  }

  async #save(session: Session, options: SaveOptions): Promise<StoredSession & { created: boolean }> {
    const id = session.session_id as SessionId;
    const { ifAbsent = false, ...conditions } = options;
    const isConditional = conditions.ifRevision !== undefined || conditions.ifGeneration !== undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#sessions.exists(id) || isConditional) {
          if (ifAbsent) throw new SessiondError("revision_mismatch", `session "${id}" exists`);
          this.#sessions.assertExpected(id, conditions);
          // A file with an older state must not come back because this document claims to be older still.
          await this.#sessions.quarantineDuplicates(id);
          return { ...(await this.apply(id, { type: "save", session }, conditions)), created: false };
        }
        const fresh = {
          ...session,
          revision: writtenRevision(session),
          generation: session.generation ?? newGeneration(),
        };
        return { ...(await this.#creating(id, () => this.#sessions.create(fresh))), created: true };
      } catch (error) {
        // Created or deleted by somebody else a moment ago: looked at again.
        const isRace = isSessiondError(error, "session_exists")
          ? this.has(id)
          : isSessiondError(error, "session_not_found", "session_deleted") && !isConditional;
        if (!isRace || attempt === saveAttempts) throw error;
      }
    }
  }

  remove(id: SessionId, options: RemoveOptions) {
    const { purge = false, reason } = options;
    return explained(async () => {
      this.#sessions.assertExpected(id, options);
      await this.#sessions.quarantineDuplicates(id);
      return this.#sessions.remove(id, options, async (file, summary, inspect) => {
        const result = { session_id: id, purged: purge, bytes: summary.bytes };
        if (purge) {
          await this.#files.remove(this.#directory, file, inspect);
          return { ...result, trash_id: null };
        }
        const from = [this.#directory, file] as const;
        const { trash_id } = await this.#trash.add(from, summary, reason, this.#clock.now(), inspect);
        return { ...result, trash_id };
      });
    });
  }

  summary(id: SessionId): SessionSummary {
    return this.#sessions.summary(id);
  }

  has(id: SessionId): boolean {
    return this.#sessions.has(id);
  }

  list(query: ListQuery = {}): SessionPage {
    return this.#view.catalog.index.list(query, this.#clock.now());
  }

  stats(): Stats {
    return this.#view.catalog.index.stats();
  }

  all(): SessionSummary[] {
    return this.#view.catalog.index.all();
  }

  backup(id: SessionId, directory?: string): Promise<Backup> {
    return this.#state.changing(async () => {
      this.#state.assertWritable();
      const { session } = await this.read(id);
      return this.#backups.create(session, directory, this.#clock.now());
    });
  }

  listBackups(id: SessionId): Promise<Backup[]> {
    return explained(async () => {
      const backups = this.#backups.list(id);
      if (backups.length === 0 && !this.#sessions.exists(id)) throw this.#sessions.missing(id);
      return backups;
    });
  }

  /** What is there is backed up in the same turn of its queue in which it is replaced, so nothing falls between. */
  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    return this.#state.changing(async () => {
      this.#state.assertWritable();
      const session = this.#backups.read(id, backup);
      const unreadable = this.#view.catalog.unreadableFor(id);
      if (unreadable !== undefined) await this.#sessions.quarantine(unreadable);
      if (!this.#sessions.exists(id)) return { session: (await this.save(session)).summary, previous: null };
      await this.#sessions.quarantineDuplicates(id);
      let previous: string | null = null;
      const { summary } = await this.#sessions.change(id, {}, async (current) => {
        ({ backup: previous } = await this.#backups.create(current, undefined, this.#clock.now()));
        return applyCommand(current, { type: "save", session }, formatTimestamp(this.#clock.now()));
      });
      return { session: summary, previous };
    });
  }

  validate(id: SessionId): Promise<Validation> {
    return validate(id, this, this.#view.catalog);
  }

  recover(id: SessionId): Promise<Recovery> {
    return this.#state.changing(() => recover(id, this, this.#sessions, this.#view.catalog));
  }

  async listTrash(): Promise<TrashListing> {
    const entries = this.#trash.list().map(withoutFile);
    return { entries, total: entries.length, bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0) };
  }

  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    return this.#creating(id, async () => {
      this.#state.assertWritable();
      const entry = this.#trash.find(id, trashId);
      if (entry === undefined) {
        throw new SessiondError(
          "session_not_found",
          `"${id}" is not in the trash; see what is with: sessionctl trash ls`,
        );
      }
      const names = [entry.file, fileFor(id), alternativeFileFor(id)];
      const restored = await this.#sessions.firstFree(names, async (file) => {
        if (this.#sessions.exists(id)) throw sessionExists(id, beforeRestoring(entry));
        await this.#trash.giveBack(entry, [this.#directory, file]);
        this.#view.look(file);
        return this.summary(id);
      });
      if (restored === undefined) throw sessionExists(id, "its file names are taken by something else");
      return restored;
    });
  }

  emptyTrash(olderThanMs = 0) {
    return this.#state.changing(async () => {
      this.#state.assertWritable();
      const limit = formatTimestamp(this.#clock.now() - olderThanMs * 1000);
      const entries = this.#trash.list().filter((entry) => entry.removed_time <= limit);
      await this.#trash.purge(entries);
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      return { removed: entries.length, bytes, entries: entries.map(withoutFile) };
    });
  }

  health(): HealthProblem[] {
    return [...this.#state.problems(), ...this.#view.problems()];
  }

  watcher() {
    return this.#view.watcher();
  }

  reconcile(): Promise<void> {
    return this.#view.reconcile();
  }

  close(): Promise<void> {
    this.#state.refuseChanges();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Creations of one id run one after another, whatever file each of them would use. */
  #creating<T>(id: string, task: () => Promise<T>): Promise<T> {
    return this.#creations.run(id, () => this.#state.changing(task));
  }

  async #close(): Promise<void> {
    await this.#view.close();
    await this.#creations.idle();
    await this.#queue.idle();
    await this.records.idle();
    await this.#files.close();
    this.#lock.release();
  }
}

function beforeRestoring({ session_id, trash_id }: TrashEntry): string {
  return `rename it (export it, import it --as another id, delete it) or purge it first; one that is only deleted comes to lie on top in the trash, so say which is to come back: sessionctl trash restore --trash-id ${shellQuote(trash_id)} ${shellOperand(session_id)}`;
}

function newGeneration(): string {
  return randomBytes(8).toString("hex");
}
