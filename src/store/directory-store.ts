/**
 * The SessionStore over a directory: one JSON file per session, everything of the daemon's own in `.sessiond/`.
 * A change goes: read, apply, write durably, index, reply, all in the queue of the session's file.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Clock, formatTimestamp } from "../clock.ts";
import type {
  Backup,
  HealthProblem,
  Recovery,
  Restored,
  SessionPage,
  Stats,
  TrashListing,
  Validation,
} from "../contract/replies.ts";
import { SessiondError, systemErrorCode } from "../error.ts";
import { JsonError } from "../json.ts";
import type { Logger } from "../log.ts";
import { applyCommand, type Command } from "../session/command.ts";
import { diagnose, type Finding, repair } from "../session/diagnosis.ts";
import { type NewSession, newSession, type Session, type SessionSummary } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import { Backups } from "./backups.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { DirectoryView } from "./directory-view.ts";
import { type Document, readDocument, statDocument } from "./document.ts";
import { DurableFiles, storageError, TargetChanged } from "./durable-file.ts";
import { KeyedQueue } from "./queue.ts";
import { directoryRecords } from "./records.ts";
import {
  alternativeFileFor,
  encodeSession,
  fileFor,
  type Identity,
  identityOf,
  UnreadableError,
} from "./session-file.ts";
import type {
  ChangeOptions,
  ListQuery,
  Records,
  RemoveOptions,
  SessionStore,
  StoredSession,
} from "./session-store.ts";
import { Trash } from "./trash.ts";

export interface DirectoryStoreOptions {
  directory: string;
  /** How often everything is compared with the directory, in case a hint was lost. */
  rescanIntervalMs: number;
  clock: Clock;
  logger: Logger;
  /** Let backups be written to and read from anywhere, for a caller with rights of its own. */
  outsideBackups?: boolean;
}

/** For new files; an existing file keeps its mode. */
const newFileMode = 0o640;
/** How often a change is tried again because another program wrote at the same time. */
const changeAttempts = 10;

/** @throws SessiondError `directory_locked`, `storage_full`, `storage_failed` */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<SessionStore> {
  let lock: DirectoryLock | undefined;
  try {
    mkdirSync(options.directory, { recursive: true, mode: 0o750 });
    const directory = realpathSync(options.directory);
    const own = ownDirectories(directory);
    for (const path of Object.values(own)) mkdirSync(path, { recursive: true, mode: 0o750 });
    lock = lockDirectory(join(own.base, "lock"), directory);
    // What an interrupted write left behind. Only the holder of the lock may judge that nobody writes it any more.
    for (const name of readdirSync(own.staging))
      rmSync(join(own.staging, name), { recursive: true, force: true });
    const store = new DirectoryStore({ ...options, directory }, own, lock);
    await store.open();
    return store;
  } catch (error) {
    lock?.release();
    throw storageError(error);
  }
}

type OwnDirectories = ReturnType<typeof ownDirectories>;

function ownDirectories(directory: string) {
  const base = join(directory, ".sessiond");
  return {
    base,
    staging: join(base, "staging"),
    trash: join(base, "trash"),
    quarantine: join(base, "quarantine"),
  };
}

class DirectoryStore implements SessionStore {
  readonly records: Records & { idle(): Promise<void> };
  readonly failed: Promise<Error>;
  readonly #directory: string;
  readonly #own: OwnDirectories;
  readonly #clock: Clock;
  readonly #lock: DirectoryLock;
  readonly #queue = new KeyedQueue();
  readonly #files: DurableFiles;
  readonly #view: DirectoryView;
  readonly #trash: Trash;
  readonly #backups: Backups;
  #failure: Error | undefined;
  #full: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DirectoryStoreOptions, own: OwnDirectories, lock: DirectoryLock) {
    this.#directory = options.directory;
    this.#own = own;
    this.#clock = options.clock;
    this.#lock = lock;
    let fail: (error: Error) => void = () => {};
    this.failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#files = new DurableFiles(
      own.staging,
      [options.directory, own.base, own.trash, own.quarantine],
      (error) => {
        options.logger.error({ err: error }, "storage failed: no more changes are accepted");
        this.#failure ??= error;
        fail(error);
      },
    );
    this.#view = new DirectoryView(options, this.#queue);
    this.#trash = new Trash(own.trash, this.#files);
    this.#backups = new Backups(options.directory, options.outsideBackups ?? false, this.#files);
    this.records = directoryRecords(own.base, this.#files, () => this.#assertWritable());
  }

  async open(): Promise<void> {
    try {
      await this.#files.sync(this.#directory);
      await this.#view.open();
      await this.#trash.load((inode) => this.#isLive(inode));
    } catch (error) {
      await this.#view.close();
      await this.#files.close();
      throw error;
    }
  }

  async create(input: NewSession): Promise<StoredSession> {
    const session = newSession(input, newGeneration(), this.#now());
    return this.#translate(() => this.#createFile(session));
  }

  async read(id: SessionId): Promise<StoredSession> {
    return this.#translate(async () => {
      const file = this.#fileOf(id);
      const document = readOrUndefined(join(this.#directory, file));
      const state = this.#view.catalog.get(file);
      if (
        document !== undefined &&
        document.identity === state?.identity &&
        state.id === id &&
        state.kind === "session"
      ) {
        return this.#stored(id, document.session);
      }
      // Not what the index knows: changed by another program, or by a write of ours that is not durable yet.
      return this.#inQueue(id, async (current) =>
        this.#stored(id, (await this.#document(current, id)).session),
      );
    });
  }

  async apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    return this.#change(id, options, (session) => applyCommand(session, command, this.#now()));
  }

  async save(session: Session, options: ChangeOptions = {}): Promise<StoredSession & { created: boolean }> {
    const id = session.session_id as SessionId;
    for (;;) {
      if (this.#exists(id) || options.ifRevision !== undefined) {
        return { ...(await this.apply(id, { type: "save", session }, options)), created: false };
      }
      const revision = Math.max(session.revision ?? 1, 1);
      const document = { ...session, revision, generation: session.generation ?? newGeneration() };
      try {
        return { ...(await this.#translate(() => this.#createFile(document))), created: true };
      } catch (error) {
        // Created by somebody else a moment ago: then it is to be replaced.
        if (!(error instanceof SessiondError && error.code === "session_exists")) throw error;
      }
    }
  }

  async remove(id: SessionId, options: RemoveOptions) {
    return this.#translate(() =>
      this.#inQueue(id, async (file) => {
        this.#assertWritable();
        this.#view.look(file);
        const summary = this.#removable(id, file);
        assertRevision(id, summary.revision, options);
        const from = [this.#directory, file] as const;
        let trashId: string | null = null;
        if (options.purge) await this.#files.remove(...from);
        else trashId = (await this.#trash.add(from, summary, options.reason, this.#clock.now())).trash_id;
        for (const again of this.#view.catalog.forget(file)) void this.#view.refresh(again);
        return { session_id: id, purged: options.purge ?? false, trash_id: trashId, bytes: summary.bytes };
      }),
    );
  }

  summary(id: SessionId): SessionSummary {
    const summary = this.#view.catalog.index.get(id);
    if (summary === undefined) throw this.#missing(id);
    return summary;
  }

  has(id: SessionId): boolean {
    return this.#view.catalog.index.get(id) !== undefined;
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

  async backup(id: SessionId, directory?: string): Promise<Backup> {
    return this.#translate(async () => {
      this.#assertWritable();
      const { session } = await this.read(id);
      return this.#backups.create(session, directory, this.#clock.now());
    });
  }

  async listBackups(id: SessionId): Promise<Backup[]> {
    const backups = this.#backups.list(id);
    if (backups.length === 0 && !this.#exists(id)) throw this.#missing(id);
    return backups;
  }

  async restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    const session = this.#backups.read(id, backup);
    this.#assertWritable();
    if (this.#view.catalog.unreadableFor(id) !== undefined) await this.#quarantine(id);
    const previous = this.#exists(id) ? await this.backup(id) : null;
    const { summary } = await this.save(session);
    return { session: summary, previous: previous?.backup ?? null };
  }

  async validate(id: SessionId): Promise<Validation> {
    let findings: Finding[];
    try {
      findings = [...diagnose((await this.read(id)).session), ...this.#duplicateFindings(id)];
    } catch (error) {
      if (!(error instanceof SessiondError && error.code === "session_corrupt")) throw error;
      findings = [{ code: "unreadable", message: error.message, repairable: true }];
    }
    return { session_id: id, valid: findings.length === 0, findings };
  }

  async recover(id: SessionId): Promise<Recovery> {
    this.#assertWritable();
    const { findings } = await this.validate(id);
    const actions: string[] = [];
    if (findings.some((finding) => finding.code === "unreadable")) return this.#recoverUnreadable(id);
    if (!findings.some((finding) => finding.repairable)) {
      return { session_id: id, recovered: true, actions, backup: null, quarantined: null };
    }
    const { backup } = await this.backup(id);
    let quarantined: string | null = null;
    for (const file of this.#view.catalog.duplicatesOf(id)) {
      quarantined = await this.#queue.run(file, () => this.#toQuarantine(file));
      actions.push(`moved the older ${file} to ${quarantined}`);
    }
    await this.#change(id, {}, repair);
    for (const finding of diagnose((await this.read(id)).session))
      actions.push(`left as it is: ${finding.message}`);
    actions.unshift(
      ...findings
        .filter(({ repairable, code }) => repairable && code !== "duplicate_session")
        .map(({ message }) => `put right: ${message}`),
    );
    return { session_id: id, recovered: true, actions, backup, quarantined };
  }

  async listTrash(): Promise<TrashListing> {
    const entries = this.#trash.list().map(({ file: _, ...entry }) => entry);
    return { entries, total: entries.length, bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0) };
  }

  async restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    return this.#translate(async () => {
      this.#assertWritable();
      const entry = this.#trash.find(id, trashId);
      if (entry === undefined) {
        throw new SessiondError(
          "session_not_found",
          `"${id}" is not in the trash; see what is with: sessionctl trash ls`,
        );
      }
      for (const file of [entry.file, fileFor(id), alternativeFileFor(id)]) {
        const restored = await this.#queue.run(file, async () => {
          if (this.#exists(id)) throw exists(id, "delete or rename it first");
          try {
            await this.#trash.giveBack(entry, [this.#directory, file]);
          } catch (error) {
            if (systemErrorCode(error) === "EEXIST") return false;
            throw error;
          }
          this.#view.look(file);
          return true;
        });
        if (restored) return this.summary(id);
      }
      throw exists(id, "its file names are taken");
    });
  }

  async emptyTrash(olderThanMs = 0) {
    return this.#translate(async () => {
      this.#assertWritable();
      const limit = formatTimestamp(this.#clock.now() - olderThanMs * 1000);
      const entries = this.#trash.list().filter((entry) => entry.removed_time <= limit);
      await this.#trash.purge(entries);
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      return { removed: entries.length, bytes, entries: entries.map(({ file: _, ...entry }) => entry) };
    });
  }

  health(): HealthProblem[] {
    const problems = this.#view.problems();
    if (this.#full !== undefined) {
      const hint = "free some space; reading goes on, and writing again as soon as there is room";
      problems.unshift({ code: "storage_full", message: this.#full, hint, session_id: null });
    }
    if (this.#failure !== undefined) {
      const hint = "check the disk, then restart sessiond: it recovers what was acknowledged";
      problems.unshift({ code: "storage_failed", message: this.#failure.message, hint, session_id: null });
    }
    return problems;
  }

  watcher() {
    return this.#view.watcher();
  }

  reconcile(): Promise<void> {
    return this.#view.reconcile();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#view.close();
    await this.#queue.idle();
    await this.records.idle();
    await this.#files.close();
    this.#lock.release();
  }

  /** Runs in the queue of the session's file, wherever that is by the time its turn comes. */
  async #inQueue<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    for (;;) {
      const file = this.#fileOf(id);
      const result = await this.#queue.run(file, async () =>
        (this.#view.catalog.fileOf(id) ?? file) === file ? { value: await task(file) } : undefined,
      );
      if (result !== undefined) return result.value;
    }
  }

  /** Read, apply, write durably, index. A function that returns the session it was given changes nothing. */
  async #change(
    id: SessionId,
    options: ChangeOptions,
    fn: (session: Session) => Session,
  ): Promise<StoredSession> {
    return this.#translate(() =>
      this.#inQueue(id, async (file) => {
        this.#assertWritable();
        for (let attempt = 0; attempt < changeAttempts; attempt++) {
          const document = await this.#document(file, id);
          const known = this.summary(id);
          assertRevision(id, known.revision, options);
          const session = { ...document.session, revision: known.revision };
          const next = fn(session);
          if (next === session) return { session, summary: known };
          const written = { ...next, revision: known.revision + 1 };
          try {
            return await this.#write(file, written, document.mode, document.identity);
          } catch (error) {
            if (!(error instanceof TargetChanged)) throw error;
          }
        }
        throw new SessiondError("storage_failed", `another program keeps changing "${id}"; try again`);
      }),
    );
  }

  async #write(
    file: string,
    session: Session,
    mode: number,
    expected: Identity | undefined,
  ): Promise<StoredSession> {
    const bytes = encode(session);
    const inspect = async () => {
      const stats = statDocument(join(this.#directory, file));
      if (expected !== undefined && (stats === undefined || identityOf(stats) !== expected))
        throw new TargetChanged();
    };
    const exclusive = expected === undefined;
    const identity = await this.#files.write(this.#directory, file, bytes, { mode, exclusive, inspect });
    this.#full = undefined;
    this.#view.catalog.adopt(file, { session, identity, bytes: bytes.length, mode }, session.revision ?? 1);
    return this.#stored(session.session_id as SessionId, session);
  }

  async #createFile(session: Session): Promise<StoredSession> {
    const id = session.session_id as SessionId;
    for (const file of [fileFor(id), alternativeFileFor(id)]) {
      const created = await this.#queue.run(file, async () => {
        this.#assertWritable();
        this.#view.look(file);
        if (this.has(id)) throw exists(id, "choose another id, or work on that one");
        if (this.#view.catalog.unreadableFor(id) !== undefined) throw this.#missing(id);
        if (this.#view.catalog.get(file) !== undefined) return undefined;
        try {
          return await this.#write(file, session, newFileMode, undefined);
        } catch (error) {
          if (systemErrorCode(error) === "EEXIST") return undefined;
          throw error;
        }
      });
      if (created !== undefined) return created;
    }
    throw exists(id, "its file names are taken by something else");
  }

  /** The document as it is on disk now, with the index brought up to date; waits a little for a half-written one. */
  async #document(file: string, id: SessionId): Promise<Document> {
    for (const delayMs of [20, 50, 100, 200, undefined]) {
      const looked = this.#view.look(file);
      const state = this.#view.catalog.get(file);
      if (state?.kind === "session" && state.id === id) {
        const document =
          looked?.identity === state.identity ? looked : readOrUndefined(join(this.#directory, file));
        if (document?.identity === state.identity) return document;
      } else if (state?.kind !== "unreadable") {
        throw this.#missing(id);
      }
      if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    throw this.#missing(id);
  }

  /** Known files, else the one that another program may have put there a moment ago. */
  #fileOf(id: SessionId): string {
    return this.#view.catalog.fileOf(id) ?? this.#view.catalog.unreadableFor(id) ?? fileFor(id);
  }

  #exists(id: SessionId): boolean {
    if (!this.has(id)) this.#view.look(fileFor(id));
    return this.has(id);
  }

  #removable(id: SessionId, file: string): SessionSummary {
    const state = this.#view.catalog.get(file);
    if (state?.kind !== "session" || state.id !== id) throw this.#missing(id);
    return this.summary(id);
  }

  #stored(id: SessionId, session: Session): StoredSession {
    const summary = this.summary(id);
    return {
      summary,
      session: session.revision === summary.revision ? session : { ...session, revision: summary.revision },
    };
  }

  async #recoverUnreadable(id: SessionId): Promise<Recovery> {
    const quarantined = await this.#quarantine(id);
    const actions = [`moved the unreadable document to ${quarantined}`];
    for (const { backup } of this.#backups.list(id)) {
      try {
        await this.save(this.#backups.read(id, backup));
        actions.push(`restored the newest readable backup, ${backup}`);
        return { session_id: id, recovered: true, actions, backup: null, quarantined };
      } catch (error) {
        if (!(error instanceof SessiondError && error.code === "invalid_request")) throw error;
        actions.push(`passed over ${backup}: ${error.message}`);
      }
    }
    actions.push("there is no backup to restore");
    return { session_id: id, recovered: false, actions, backup: null, quarantined };
  }

  async #quarantine(id: SessionId): Promise<string> {
    const file = this.#view.catalog.unreadableFor(id);
    if (file === undefined) throw this.#missing(id);
    return this.#queue.run(file, () => this.#toQuarantine(file));
  }

  async #toQuarantine(file: string): Promise<string> {
    const stamp = formatTimestamp(this.#clock.now()).replace(/\D/g, "");
    const name = `${stamp}-${file.slice(-200)}`;
    await this.#files.move([this.#directory, file], [this.#own.quarantine, name], true);
    this.#view.catalog.forget(file);
    return join(this.#own.quarantine, name);
  }

  #duplicateFindings(id: SessionId): Finding[] {
    return this.#view.catalog.duplicatesOf(id).map((file) => ({
      code: "duplicate_session",
      message: `${file} holds an older state of this session`,
      repairable: true,
    }));
  }

  #missing(id: SessionId): SessiondError {
    const unreadable = this.#view.catalog.unreadableFor(id);
    if (unreadable !== undefined) {
      const why = this.#view.catalog.whyUnreadable(unreadable);
      return new SessiondError(
        "session_corrupt",
        `${unreadable}: ${why}; it is kept as it is until you mend or recover it`,
      );
    }
    if (this.#trash.has(id)) {
      return new SessiondError(
        "session_deleted",
        `session "${id}" was deleted and is in the trash; bring it back with: sessionctl trash restore ${id}`,
      );
    }
    return new SessiondError("session_not_found", `there is no session "${id}"`);
  }

  #isLive(inode: bigint): boolean {
    const wanted = `${inode}:`;
    for (const file of this.#view.catalog.names())
      if (this.#view.catalog.get(file)?.identity.startsWith(wanted)) return true;
    return false;
  }

  #assertWritable(): void {
    if (this.#closing !== undefined)
      throw new SessiondError("shutting_down", "sessiond is stopping; try again in a moment");
    if (this.#failure !== undefined) {
      throw new SessiondError(
        "storage_failed",
        `storage failed earlier, so nothing more is accepted: ${this.#failure.message}`,
      );
    }
  }

  async #translate<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      const failure = storageError(error);
      if (failure.code === "storage_full") this.#full = failure.message;
      throw failure;
    }
  }

  #now(): string {
    return formatTimestamp(this.#clock.now());
  }
}

function newGeneration(): string {
  return randomBytes(8).toString("hex");
}

function exists(id: string, advice: string): SessiondError {
  return new SessiondError("session_exists", `session "${id}" exists; ${advice}`);
}

function assertRevision(id: string, revision: number, { ifRevision }: ChangeOptions): void {
  if (ifRevision === undefined || ifRevision === revision) return;
  throw new SessiondError(
    "revision_mismatch",
    `session "${id}" is at revision ${revision}, not ${ifRevision}; read it again`,
  );
}

/** Half-written or gone for a moment counts as not there yet. */
function readOrUndefined(path: string): Document | undefined {
  try {
    return readDocument(path);
  } catch (error) {
    if (error instanceof UnreadableError) return undefined;
    throw error;
  }
}

function encode(session: Session): Buffer {
  try {
    return encodeSession(session);
  } catch (error) {
    if (error instanceof UnreadableError) throw new SessiondError("payload_too_large", error.message);
    if (error instanceof JsonError)
      throw new SessiondError("invalid_request", `the session cannot be kept: ${error.message}`);
    throw error;
  }
}
