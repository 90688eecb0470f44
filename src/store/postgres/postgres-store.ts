/**
 * The store that keeps sessions in PostgreSQL: opens and closes it, and passes each call to the part that
 * does the work. `assemble.ts` makes the parts. Knows no statement.
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
import { isSessiondError, type SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { Command, ProgressDelta } from "../../session/command.ts";
import type { NewSession, Session, SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Clock } from "../../time/clock.ts";
import type {
  Availability,
  Candidates,
  ChangeOptions,
  Changes,
  Claims,
  CleanupRule,
  Leases,
  ListQuery,
  ProgressOptions,
  Records,
  RemoveOptions,
  SaveOptions,
  SessionStore,
  Slots,
  StoredSession,
  StoreFacts,
} from "../session-store.ts";
import { type AssemblyOptions, assembleStore, type StoreParts } from "./assemble.ts";
import type { Database } from "./connection/database.ts";
import { openDatabase } from "./connection/open-database.ts";
import { parsePostgresUrl, shownUrl } from "./connection/postgres-url.ts";
import { report } from "./log/report.ts";
import type { PostgresStorage } from "./options.ts";

export interface PostgresStoreOptions {
  storage: PostgresStorage;
  /** What tells this daemon from others of the machine: the path of its socket. */
  instance?: string | undefined;
  logger: Logger;
}

/**
 * Resolves also while the database is away: then each call fails, until it comes back.
 *
 * @throws SessiondError `storage_unsafe`, `storage_too_new`
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const { storage, instance = "", logger } = options;
  const database = await openDatabase(storage, { logger });
  const store = new PostgresStore(database, { storage, instance, logger });
  try {
    await store.open();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

export class PostgresStore implements SessionStore {
  /** They share transactions. */
  readonly removalsAtOnce = 100;
  readonly failed: Promise<Error>;
  readonly #location: string;
  readonly #parts: StoreParts;
  #closing: Promise<void> | undefined;
  #fail: (error: SessiondError) => void = () => {};

  constructor(connection: Database, options: Omit<AssemblyOptions, "onFailed">) {
    this.#location = shownUrl(parsePostgresUrl(options.storage.url));
    this.failed = new Promise((resolve) => {
      this.#fail = (error) => {
        options.logger.error({ err: error }, "the storage failed: changes are refused until a restart");
        this.#parts.changes.refuse(error);
        resolve(error);
      };
    });
    this.#parts = assembleStore(connection, { ...options, onFailed: (error) => this.#fail(error) });
  }

  /** @throws SessiondError `storage_unsafe`, `storage_too_new` */
  async open(): Promise<void> {
    const { database, feed, leases } = this.#parts;
    try {
      await database.prepare();
    } catch (error) {
      if (!isSessiondError(error, "storage_unavailable")) throw error;
      this.#prepareLater();
    }
    await feed.start();
    leases.begin();
  }

  create(input: NewSession): Promise<StoredSession> {
    const { changes, commands } = this.#parts;
    return changes.run(() => commands.create(input));
  }

  async read(id: SessionId): Promise<StoredSession> {
    const { commands, feed } = this.#parts;
    await feed.announce(id);
    return commands.read(id);
  }

  apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    const { changes, commands } = this.#parts;
    return changes.run(() => commands.apply(id, command, options));
  }

  change(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<SessionSummary> {
    const { changes, commands } = this.#parts;
    return changes.run(() => commands.change(id, command, options));
  }

  report(id: SessionId, delta: ProgressDelta, options: ProgressOptions = {}): Promise<ProgressReply> {
    const { changes, log } = this.#parts;
    return changes.run(() => report(log, id, delta, options));
  }

  save(session: Session, options: SaveOptions = {}): Promise<StoredSession & { created: boolean }> {
    const { changes, commands } = this.#parts;
    return changes.run(() => commands.save(session, options));
  }

  remove(id: SessionId, options: RemoveOptions): Promise<Removed & { bytes: number }> {
    const { changes, commands } = this.#parts;
    return changes.run(() => commands.remove(id, options));
  }

  async summary(id: SessionId): Promise<SessionSummary> {
    const { view, feed } = this.#parts;
    await feed.announce(id);
    return view.summary(id);
  }

  has(id: SessionId): Promise<boolean> {
    return this.#parts.view.has(id);
  }

  async list(query: ListQuery = {}): Promise<SummaryPage> {
    const { view, feed } = this.#parts;
    await feed.announce();
    return view.list(query);
  }

  stats(): Promise<Stats> {
    return this.#parts.view.stats();
  }

  async *summaries(): AsyncGenerator<SessionSummary[]> {
    const { view, feed } = this.#parts;
    await feed.announce();
    yield* view.summaries();
  }

  async candidates(rule: CleanupRule): Promise<Candidates> {
    return this.#parts.view.candidates(rule);
  }

  backup(id: SessionId, destination?: string): Promise<Backup> {
    const { changes, repair } = this.#parts;
    return changes.run(() => repair.backup(id, destination));
  }

  listBackups(id: SessionId): Promise<Backup[]> {
    return this.#parts.repair.listBackups(id);
  }

  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    const { changes, repair } = this.#parts;
    return changes.run(() => repair.restoreBackup(id, backup));
  }

  async validate(id: SessionId): Promise<Validation & Pick<Session, "run">> {
    return this.#parts.repair.validate(id);
  }

  recover(id: SessionId): Promise<Recovery> {
    const { changes, repair } = this.#parts;
    return changes.run(() => repair.recover(id));
  }

  listTrash(): Promise<TrashListing> {
    return this.#parts.trash.list();
  }

  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    const { changes, trash } = this.#parts;
    return changes.run(() => trash.restore(id, trashId));
  }

  emptyTrash(olderThanMs = 0, only?: ReadonlySet<string>): Promise<Emptied & { entries: TrashEntry[] }> {
    const { changes, trash } = this.#parts;
    return changes.run(() => trash.empty(olderThanMs, only));
  }

  get leases(): Leases {
    return this.#parts.leases;
  }

  get claims(): Claims {
    return this.#parts.leases.claims;
  }

  get changes(): Changes {
    return this.#parts.feed;
  }

  get records(): Records {
    return this.#parts.records;
  }

  get slots(): Slots {
    return this.#parts.slots;
  }

  get clock(): Clock {
    return this.#parts.database.clock;
  }

  get availability(): Availability {
    return this.#parts.availability;
  }

  async health(): Promise<HealthProblem[]> {
    return this.#parts.database.health();
  }

  async facts(): Promise<StoreFacts> {
    const { database, hostId, leases } = this.#parts;
    const { storeId: store_id, hasTextIndex: text_index } = database.schema ?? {};
    const tables = store_id === undefined ? {} : { store_id, text_index };
    const known = { kind: "postgres", location: this.#location, ...database.facts() };
    const facts = { ...known, ...tables, host_id: hostId };
    try {
      return { ...facts, hosts: await leases.hosts() };
    } catch (error) {
      if (isSessiondError(error, "storage_unavailable")) return facts;
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { changes, slots, leases, feed, log, database } = this.#parts;
    await changes.end();
    slots.close();
    await leases.close();
    await feed.close();
    await log.close();
    await database.close();
  }

  /** The tables could not be asked for at the start. If they do not fit, this daemon cannot go on. */
  #prepareLater(): void {
    const { database } = this.#parts;
    const end = database.onConnected(() => {
      database.prepare().then(end, (error: unknown) => {
        if (isSessiondError(error, "storage_too_new", "storage_unsafe")) this.#fail(error);
      });
    });
  }
}
