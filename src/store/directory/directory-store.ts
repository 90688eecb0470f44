/** The SessionStore over a directory: one JSON file per session, everything of the daemon's own in `.sessiond/`. */
import { KeyedQueue } from "../../async/keyed-queue.ts";
import type {
  Backup,
  Emptied,
  HealthProblem,
  ProgressReply,
  Recovery,
  Removed,
  Restored,
  Stats,
  SummaryPage,
  TrashEntry,
  TrashListing,
  Validation,
} from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import { applyCommand, type Command, type ProgressDelta } from "../../session/command.ts";
import {
  type NewSession,
  newSession,
  type Session,
  type SessionSummary,
  writtenRevision,
} from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import { type Clock, formatTimestamp } from "../../time/clock.ts";
import { isReporting } from "../change-conditions.ts";
import { newGeneration, standInGeneration } from "../generation.ts";
import { leaseHeld } from "../lease-table.ts";
import type {
  ChangeOptions,
  Changes,
  Leases,
  ListQuery,
  ProgressOptions,
  Records,
  RemoveOptions,
  SaveOptions,
  SessionStore,
  StoredSession,
  StoreFacts,
} from "../session-store.ts";
import {
  type AssemblyOptions,
  assembleStore,
  type DirectoryStorage,
  type DirectoryStoreOptions,
  type StoreParts,
} from "./assemble.ts";
import type { Removal } from "./changes/session-changes.ts";
import type { DirectoryLock } from "./disk/directory-lock.ts";
import { storageError } from "./disk/durable-files.ts";
import { nodeFileSystem } from "./disk/node-file-system.ts";
import type { OwnDirectories } from "./disk/own-directories.ts";
import { prepareDirectory } from "./disk/prepare-directory.ts";
import { withStorageErrors } from "./disk/storage-state.ts";
import { repairSession, validateSession } from "./repair.ts";
import { replayJournal } from "./replay-journal.ts";

export type { DirectoryStorage };

/** How often a save looks again whether there is a session, while others create and delete it. */
const saveAttempts = 20;

/** @throws SessiondError `directory_locked`, `storage_full`, `storage_failed` */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<DirectoryStore> {
  const { fileSystem: fs = nodeFileSystem } = options;
  let lock: DirectoryLock | undefined;
  try {
    const prepared = prepareDirectory(fs, options.directory);
    lock = prepared.lock;
    const store = new DirectoryStore({ ...options, directory: prepared.directory, fs }, prepared.own, lock);
    await store.open();
    return store;
  } catch (error) {
    lock?.release();
    throw storageError(error);
  }
}

export class DirectoryStore implements SessionStore {
  readonly records: Records;
  readonly leases: Leases;
  readonly #directory: string;
  readonly #quarantine: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lock: DirectoryLock;
  readonly #parts: StoreParts;
  readonly #creations = new KeyedQueue();
  #damage: HealthProblem[] = [];
  #closing: Promise<void> | undefined;
  #catchingUp: Promise<void> | undefined;

  constructor(options: AssemblyOptions, own: OwnDirectories, lock: DirectoryLock) {
    this.#directory = options.directory;
    this.#quarantine = own.quarantine;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#lock = lock;
    this.#parts = assembleStore(options, own);
    this.records = this.#parts.records;
    this.leases = this.#parts.leases;
  }

  get changes(): Changes {
    return this.#parts.view.catalog.index;
  }

  get failed(): Promise<Error> {
    return this.#parts.state.failed;
  }

  async open(): Promise<void> {
    try {
      await this.#parts.files.sync(this.#directory);
      const isCurrent = await this.#parts.follower.open(this.#parts.saver.load());
      const { catalog } = this.#parts.view;
      const own = { catalog, quarantine: this.#quarantine, logger: this.#logger };
      this.#damage = await replayJournal({ ...this.#parts, ...own });
      await this.#parts.leases.load();
      await this.#parts.trash.load((inode) => catalog.holds(inode));
      this.#parts.saver.begin(isCurrent);
    } catch (error) {
      await this.#parts.follower.close();
      this.#parts.slots.close();
      await this.#parts.journal.close();
      await this.#parts.files.close();
      throw error;
    }
    this.#parts.slots.begin((id) => this.#parts.writer.writeDue(id));
    this.#catchingUp = this.#parts.writer.writeLagging(() => this.#closing !== undefined);
  }

  create(input: NewSession): Promise<StoredSession> {
    const session = newSession(input, newGeneration(), formatTimestamp(this.#clock.now()));
    return this.#creating(input.session_id, () => this.#parts.sessions.create(session));
  }

  read(id: SessionId): Promise<StoredSession> {
    return withStorageErrors(() => this.#parts.sessions.read(id));
  }

  apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    const { known, sessions, leases, state } = this.#parts;
    const isReport = isReporting(command);
    const change = isReport ? "replace" : "change";
    const assertMay = () => isReport && leases.assertMayReport(id, options.epoch);
    return state.runChange(async () => {
      // Before anything is written for it.
      if (known.has(id)) assertMay();
      return sessions[change](id, options, (session) => {
        assertMay();
        return applyCommand(session, command, formatTimestamp(this.#clock.now()));
      });
    });
  }

  report(id: SessionId, delta: ProgressDelta, options: ProgressOptions = {}): Promise<ProgressReply> {
    return this.#parts.reports.report(id, delta, options);
  }

  save(session: Session, options: SaveOptions = {}): Promise<StoredSession & { created: boolean }> {
    return withStorageErrors(() => this.#save(session, options));
  }

  /** If `replacesUnreadable`, a new document is given the reports that wait for one that cannot be read. */
  async #save(
    session: Session,
    options: SaveOptions,
    { replacesUnreadable }: { replacesUnreadable: boolean } = { replacesUnreadable: false },
  ): Promise<StoredSession & { created: boolean }> {
    const id = session.session_id as SessionId;
    const { ifAbsent = false, ...conditions } = options;
    const isConditional = conditions.ifRevision !== undefined || conditions.ifGeneration !== undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#parts.known.exists(id) || isConditional) {
          if (ifAbsent) throw new SessiondError("revision_mismatch", `session "${id}" exists`);
          this.#parts.known.assertExpected(id, conditions);
          // A file with an older state must not come back because this document claims to be older still.
          await this.#parts.quarantine.addDuplicates(id);
          return { ...(await this.apply(id, { type: "save", session }, conditions)), created: false };
        }
        // What was reported to one that is gone is of another generation.
        const generation = replacesUnreadable
          ? standInGeneration(this.#parts.slots.find(id)?.reported?.generation ?? 0n, session.generation)
          : newGeneration();
        const fresh = { ...session, revision: writtenRevision(session), generation };
        const { sessions } = this.#parts;
        const create = () => (replacesUnreadable ? sessions.putBack(fresh) : sessions.create(fresh));
        return { ...(await this.#creating(id, create)), created: true };
      } catch (error) {
        // Created or deleted by somebody else a moment ago: looked at again.
        const isRace = isSessiondError(error, "session_exists")
          ? this.#parts.known.has(id)
          : isSessiondError(error, "session_not_found", "session_deleted") && !isConditional;
        if (!isRace || attempt === saveAttempts) throw error;
      }
    }
  }

  remove(id: SessionId, options: RemoveOptions) {
    const { purge = false, force = false, reason } = options;
    return withStorageErrors(async () => {
      this.#parts.known.assertExpected(id, options);
      await this.#parts.quarantine.addDuplicates(id);
      const take: Removal<Removed & { bytes: number }>["take"] = async (file, summary, inspect) => {
        const lease = this.#parts.leases.heldFor(id);
        if (lease !== undefined && !force) throw leaseHeld(lease);
        let trash_id: string | null = null;
        if (purge) await this.#parts.files.remove(this.#directory, file, inspect);
        else ({ trash_id } = await this.#parts.trash.add(file, summary, reason, inspect));
        this.#parts.leases.drop(id);
        return { session_id: id, purged: purge, trash_id, bytes: summary.bytes };
      };
      return this.#parts.sessions.remove(id, { conditions: options, isKept: !purge, take });
    });
  }

  async summary(id: SessionId): Promise<SessionSummary> {
    return this.#parts.known.summary(id);
  }

  async has(id: SessionId): Promise<boolean> {
    return this.#parts.known.has(id);
  }

  list(query: ListQuery = {}): Promise<SummaryPage> {
    return this.#parts.view.catalog.index.list(query, this.#clock.now());
  }

  async stats(): Promise<Stats> {
    return this.#parts.view.catalog.index.stats();
  }

  summaries(): AsyncIterable<SessionSummary[]> {
    return this.#parts.view.catalog.index.summaries();
  }

  /** The destination is a directory. */
  backup(id: SessionId, directory?: string): Promise<Backup> {
    return this.#parts.state.runChange(async () => {
      this.#parts.state.assertWritable();
      await this.#parts.writer.flush(id);
      const { session } = await this.read(id);
      return this.#parts.backups.create(session, directory, this.#clock.now());
    });
  }

  listBackups(id: SessionId): Promise<Backup[]> {
    return withStorageErrors(async () => {
      const backups = this.#parts.backups.list(id);
      if (backups.length === 0 && !this.#parts.known.exists(id)) throw this.#parts.known.missing(id);
      return backups;
    });
  }

  /** What is there is backed up in the same turn of its queue in which it is replaced, so nothing falls between. */
  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    const replacesUnreadable = this.#parts.view.catalog.unreadableFor(id) !== undefined;
    return this.#restoreBackup(id, backup, { replacesUnreadable });
  }

  #restoreBackup(id: SessionId, backup: string, how: { replacesUnreadable: boolean }): Promise<Restored> {
    return this.#parts.state.runChange(async () => {
      this.#parts.state.assertWritable();
      const session = this.#parts.backups.read(id, backup);
      const unreadable = this.#parts.view.catalog.unreadableFor(id);
      if (unreadable !== undefined) await this.#parts.quarantine.add(unreadable);
      if (!this.#parts.known.exists(id))
        return { session: (await this.#save(session, {}, how)).summary, previous: null };
      await this.#parts.quarantine.addDuplicates(id);
      let previous: string | null = null;
      const { summary } = await this.#parts.sessions.replace(id, {}, async (current) => {
        this.#parts.leases.assertMayReport(id, undefined);
        ({ backup: previous } = await this.#parts.backups.create(current, undefined, this.#clock.now()));
        return applyCommand(current, { type: "save", session }, formatTimestamp(this.#clock.now()));
      });
      return { session: summary, previous };
    });
  }

  validate(id: SessionId): Promise<Validation> {
    return validateSession(id, this, this.#parts.view.catalog);
  }

  recover(id: SessionId): Promise<Recovery> {
    const { state, sessions, quarantine, view } = this.#parts;
    const read = (of: SessionId) => this.read(of);
    const backup = (of: SessionId) => this.backup(of);
    const listBackups = (of: SessionId) => this.listBackups(of);
    const restoreBackup = (of: SessionId, name: string) =>
      this.#restoreBackup(of, name, { replacesUnreadable: true });
    const store = { read, backup, listBackups, restoreBackup };
    return state.runChange(async () => {
      const isUnreadable = view.catalog.unreadableFor(id) !== undefined;
      try {
        return await repairSession(id, store, { sessions, quarantine, catalog: view.catalog });
      } finally {
        if (isUnreadable) quarantine.announceRemoved(id);
      }
    });
  }

  async listTrash(): Promise<TrashListing> {
    return this.#parts.trash.list();
  }

  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    return this.#creating(id, async () => {
      this.#parts.state.assertWritable();
      return this.#parts.trash.restore(id, trashId);
    });
  }

  emptyTrash(olderThanMs = 0): Promise<Emptied & { entries: TrashEntry[] }> {
    return this.#parts.state.runChange(async () => {
      this.#parts.state.assertWritable();
      return this.#parts.trash.empty(olderThanMs);
    });
  }

  async health(): Promise<HealthProblem[]> {
    return [...this.#parts.state.problems(), ...this.#damage, ...this.#parts.follower.problems()];
  }

  async facts(): Promise<StoreFacts> {
    return { kind: "directory", location: this.#directory, ...this.#parts.follower.facts() };
  }

  /** Compares the index with the directory, as hints would. */
  reconcile(): Promise<void> {
    return this.#parts.follower.reconcile();
  }

  close(): Promise<void> {
    this.#parts.state.refuseChanges();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Creations of one id run one after another, whatever file each of them would use. */
  #creating<T>(id: string, task: () => Promise<T>): Promise<T> {
    return this.#creations.run(id, () => this.#parts.state.runChange(task));
  }

  async #close(): Promise<void> {
    try {
      await this.#parts.follower.close();
      await this.#creations.idle();
      await this.#parts.queue.idle();
      await this.#catchingUp;
      await this.#parts.slots.idle();
      await this.#parts.writer.writeLagging();
      await this.#parts.journal.retryBases();
      this.#parts.slots.close();
      await this.#parts.journal.close();
      await this.#parts.saver.close();
      await this.#parts.records.idle();
      await this.#parts.files.close();
    } finally {
      this.#lock.release();
    }
  }
}
