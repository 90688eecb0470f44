/**
 * The store that keeps sessions as JSON files in a directory: opens and closes it, and passes each call to
 * the part that does the work. `assemble.ts` makes the parts. Knows no bytes of a file.
 *
 * The room store/directory/ owns the backend that keeps sessions as JSON files of one directory. Nobody
 * outside knows that sessions are files.
 */
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
import type { Logger } from "../../log.ts";
import type { Command, ProgressDelta } from "../../session/command.ts";
import type { NewSession, Session, SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Clock } from "../../time/clock.ts";
import { alwaysThere } from "../availability.ts";
import { allAreCandidates } from "../candidates.ts";
import { leaseHeld } from "../lease-refusals.ts";
import type {
  ChangeOptions,
  Changes,
  Claims,
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
import { slotsOfOneDaemon } from "../slots.ts";
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
import type { FileSystem } from "./disk/file-system.ts";
import { nodeFileSystem } from "./disk/node-file-system.ts";
import type { OwnDirectories } from "./disk/own-directories.ts";
import { prepareDirectory } from "./disk/prepare-directory.ts";
import { putOddFilesAside } from "./disk/state-files.ts";
import { withStorageErrors } from "./disk/storage-state.ts";
import { replayJournal } from "./replay-journal.ts";
import { rescue } from "./rescue.ts";

export type { DirectoryStorage };

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
  readonly claims: Claims;
  readonly removalsAtOnce = 8;
  readonly slots = slotsOfOneDaemon;
  readonly availability = alwaysThere;
  readonly clock: Clock;
  readonly #directory: string;
  readonly #fs: FileSystem;
  readonly #own: OwnDirectories;
  readonly #logger: Logger;
  readonly #lock: DirectoryLock;
  readonly #parts: StoreParts;
  #damage: HealthProblem[] = [];
  #closing: Promise<void> | undefined;
  #catchingUp: Promise<void> | undefined;
  #rescuing: Promise<void> | undefined;

  constructor(options: AssemblyOptions, own: OwnDirectories, lock: DirectoryLock) {
    this.#directory = options.directory;
    this.#fs = options.fs;
    this.#own = own;
    this.clock = options.clock;
    this.#logger = options.logger;
    this.#lock = lock;
    this.#parts = assembleStore(options, own);
    this.records = this.#parts.records;
    this.leases = this.#parts.leases;
    this.claims = claimsOf(this.#parts);
  }

  get changes(): Changes {
    return this.#parts.view.catalog.index;
  }

  get failed(): Promise<Error> {
    return this.#parts.state.failed;
  }

  async open(): Promise<void> {
    try {
      this.#parts.files.open();
      this.#parts.stateQuarantine.load();
      putOddFilesAside(this.#fs, this.#own, this.#parts.stateQuarantine);
      await this.#parts.files.sync(this.#directory);
      const isCurrent = await this.#parts.follower.open(this.#parts.saver.load());
      const { catalog } = this.#parts.view;
      const own = { catalog, quarantine: this.#parts.stateQuarantine, logger: this.#logger };
      await this.#parts.leases.load();
      this.#damage = await replayJournal({ ...this.#parts, ...own });
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
    this.#parts.ownPlace.begin();
    void this.#parts.lost.then(() => {
      this.#rescuing = rescue(this.#parts, { fs: this.#fs, own: this.#own, logger: this.#logger });
    });
    this.#catchingUp = this.#parts.writer.writeLagging(() => this.#closing !== undefined);
  }

  create(input: NewSession): Promise<StoredSession> {
    return this.#parts.commands.create(input);
  }

  read(id: SessionId): Promise<StoredSession> {
    return withStorageErrors(() => this.#parts.sessions.read(id));
  }

  apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    return this.#parts.commands.apply(id, command, options);
  }

  async change(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<SessionSummary> {
    return (await this.apply(id, command, options)).summary;
  }

  report(id: SessionId, delta: ProgressDelta, options: ProgressOptions = {}): Promise<ProgressReply> {
    return this.#parts.reports.report(id, delta, options);
  }

  save(session: Session, options: SaveOptions = {}): Promise<StoredSession & { created: boolean }> {
    return withStorageErrors(() => this.#parts.commands.save(session, options));
  }

  remove(id: SessionId, options: RemoveOptions) {
    const { purge = false, force = false, reason } = options;
    return withStorageErrors(async () => {
      this.#parts.known.assertExpected(id, options);
      await this.#parts.quarantine.addDuplicates(id);
      const take: Removal<Removed & { bytes: number }>["take"] = async (file, summary, inspect) => {
        const [held] = this.#parts.leases.heldFor(id);
        if (held !== undefined && !force) throw leaseHeld(held.lease);
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
    return this.#parts.view.catalog.index.list(query, this.clock.now());
  }

  async stats(): Promise<Stats> {
    return this.#parts.view.catalog.index.stats();
  }

  summaries(): AsyncIterable<SessionSummary[]> {
    return this.#parts.view.catalog.index.summaries();
  }

  async candidates() {
    return allAreCandidates(this.summaries());
  }

  /** The destination is a directory. */
  backup(id: SessionId, directory?: string): Promise<Backup> {
    return this.#parts.state.runChange(() => this.#parts.repair.backup(id, directory));
  }

  listBackups(id: SessionId): Promise<Backup[]> {
    return withStorageErrors(() => this.#parts.repair.listBackups(id));
  }

  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    return this.#parts.state.runChange(() => this.#parts.repair.restoreBackup(id, backup));
  }

  validate(id: SessionId): Promise<Validation & Pick<Session, "run">> {
    return withStorageErrors(() => this.#parts.repair.validate(id));
  }

  recover(id: SessionId): Promise<Recovery> {
    return this.#parts.state.runChange(() => this.#parts.repair.recover(id));
  }

  async listTrash(): Promise<TrashListing> {
    return this.#parts.trash.list();
  }

  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    return this.#parts.commands.creating(id, async () => {
      this.#parts.state.assertWritable();
      return this.#parts.trash.restore(id, trashId);
    });
  }

  emptyTrash(olderThanMs = 0, only?: ReadonlySet<string>): Promise<Emptied & { entries: TrashEntry[] }> {
    return this.#parts.state.runChange(async () => {
      this.#parts.state.assertWritable();
      return this.#parts.trash.empty(olderThanMs, only);
    });
  }

  async health(): Promise<HealthProblem[]> {
    const { state, stateQuarantine, follower } = this.#parts;
    return [...state.problems(), ...this.#damage, ...stateQuarantine.problems(), ...follower.problems()];
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

  async #close(): Promise<void> {
    try {
      this.#parts.ownPlace.close();
      await this.#parts.follower.close();
      await this.#parts.commands.idle();
      await this.#parts.queue.idle();
      await this.#catchingUp;
      await this.#parts.slots.idle();
      await this.#parts.writer.writeLagging();
      await this.#parts.journal.retryBases();
      await this.#rescuing;
      this.#parts.slots.close();
      await this.#parts.journal.close();
      await this.#parts.saver.close();
      await this.#parts.records.idle();
    } finally {
      await this.#parts.files.close().finally(() => this.#lock.release());
    }
  }
}

function claimsOf({ reports, claims }: StoreParts): Claims {
  return {
    take: (id, epoch, count) => reports.inTurn(id, (session) => claims.take(session, epoch, count)),
    giveBack: (id, epoch, files) => reports.inTurn(id, (session) => claims.giveBack(session, epoch, files)),
    held: (id, epoch) => reports.inTurn(id, (session) => claims.held(session, epoch)),
    counts: async (id) => claims.counts(id),
    onFree: (listener) => claims.onFree(listener),
  };
}
