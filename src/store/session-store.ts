/**
 * What the rest of sessiond knows about storage: sessions, revisions and reasons, never files. Each method
 * that changes something resolves when the change is durable. Errors are SessiondErrors; one whose
 * `outcome` is `unknown` may have been applied, every other one was not.
 */
import type {
  Backup,
  Emptied,
  HealthProblem,
  Info,
  ProgressReply,
  Recovery,
  Removed,
  Restored,
  Stats,
  SummaryPage,
  TrashEntry,
  TrashListing,
  Validation,
} from "../contract/replies.ts";
import type { Query } from "../contract/routes.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Command, ProgressDelta } from "../session/command.ts";
import type { NewSession, Session, SessionSummary } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";

export type ListQuery = Partial<Query<"listSessions">>;

export interface ReportOptions {
  /** The epoch of the worker's lease. Without it nobody may have a lease. */
  epoch?: number | undefined;
}

export interface ProgressOptions extends ReportOptions {
  /** What the delta was parsed from: JSON in UTF-8 of at most the stored depth, which may have keys of its own. */
  text?: Buffer | undefined;
}

/** `epoch` counts for progress, checkpoints and saves: the other changes are anybody's to make. */
export interface ChangeOptions extends ReportOptions {
  /** Apply only if the session is still at this revision, else `revision_mismatch`. */
  ifRevision?: number | undefined;
  /** Apply only if it is still the session of this creation, and not a later one of the same id. */
  ifGeneration?: string | null | undefined;
  /** Apply only if its last activity is still this, as it was written. */
  ifCheckpoint?: string | undefined;
}

export interface SaveOptions extends ChangeOptions {
  /** Create only: `revision_mismatch` if there is a session of this id. */
  ifAbsent?: boolean | undefined;
}

export interface RemoveOptions extends ChangeOptions {
  /** Delete for good instead of moving to the trash. */
  purge?: boolean;
  /** Also when a worker has a lease, which ends with it; else `lease_held`. */
  force?: boolean;
  /** A reason code, kept with the trash entry. */
  reason: string;
}

/** A session as it is stored, and what the index says of it, at one revision. */
export interface StoredSession {
  session: Session;
  summary: SessionSummary;
}

export interface SessionStore {
  /** @throws `session_exists`, `session_corrupt` if an unreadable document is in its place */
  create(input: NewSession): Promise<StoredSession>;
  /** @throws `session_not_found`, `session_deleted`, `session_corrupt` */
  read(id: SessionId): Promise<StoredSession>;
  /** Runs a command in the session's own queue: read, apply, make durable, index. */
  apply(id: SessionId, command: Command, options?: ChangeOptions): Promise<StoredSession>;
  /**
   * Reports progress: costs what the delta holds, whatever the session holds. Any number of reports may be under way at
   * once; those of one session are applied in the order of the calls.
   */
  report(id: SessionId, delta: ProgressDelta, options?: ProgressOptions): Promise<ProgressReply>;
  /** Replaces the document, or creates the session if there is none (not if `ifRevision` is given). */
  save(session: Session, options?: SaveOptions): Promise<StoredSession & { created: boolean }>;
  remove(id: SessionId, options: RemoveOptions): Promise<Removed & { bytes: number }>;

  /** From the index alone. @throws `session_not_found`, `session_deleted`, `session_corrupt` */
  summary(id: SessionId): SessionSummary;
  has(id: SessionId): boolean;
  /** From the index alone. @throws `invalid_request` for a bad cursor */
  list(query?: ListQuery): Promise<SummaryPage>;
  stats(): Stats;
  /** Every session of the index at this moment, in no particular order. */
  all(): SessionSummary[];

  backup(id: SessionId, directory?: string): Promise<Backup>;
  listBackups(id: SessionId): Promise<Backup[]>;
  restoreBackup(id: SessionId, backup: string): Promise<Restored>;
  validate(id: SessionId): Promise<Validation>;
  recover(id: SessionId): Promise<Recovery>;

  listTrash(): Promise<TrashListing>;
  /** Without a trash id, the newest of that session. @throws `session_not_found`, `session_exists` */
  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary>;
  /** Deletes what has been in the trash at least this long for good; everything by default. */
  emptyTrash(olderThanMs?: number): Promise<Emptied & { entries: TrashEntry[] }>;

  /** Who may report. Those that an earlier run left are there at the start. */
  readonly leases: Leases;
  readonly changes: Changes;

  /** Small durable documents and logs of the daemon's own. */
  readonly records: Records;
  health(): HealthProblem[];
  watcher(): Info["watcher"];
  /** Resolves when storage has failed for good: nothing more is acknowledged, and the process should end. */
  readonly failed: Promise<Error>;
  /** Compares the index with what is stored, as the watcher's hints would. */
  reconcile(): Promise<void>;
  /** Takes no more changes, finishes those under way, gives the storage free. */
  close(): Promise<void>;
}

export interface Lease {
  session_id: string;
  /** Higher than that of every lease before it, of any session. */
  epoch: number;
  worker: string | null;
}

export interface LeaseRequest {
  /** A name for people to know the worker by. */
  worker?: string | undefined;
  /** The epoch that the worker had, to go on with its lease under a new one. */
  epoch?: number | undefined;
}

export interface Leases {
  /** Resolves when the lease is durable. @throws SessiondError `lease_held`, `lease_lost`, `session_not_found` … */
  acquire(id: SessionId, request: LeaseRequest): Promise<Lease>;
  /** Ends a lease, if it is still that one. */
  release(id: SessionId, epoch: number): Promise<void>;
  get(id: string): Lease | undefined;
  all(): Lease[];
}

/** What becomes of the index. */
export interface Changes {
  /** Calls back after each change, with what a session was and is; returns what ends that. */
  subscribe(listener: (change: StoreChange) => void): () => void;
  /**
   * A report becomes a change only when somebody looks at its session: this looks at that many of those that nobody has
   * looked at yet. Tells whether there are more.
   */
  settle(limit: number): boolean;
}

/** `before` or `after` is undefined for a session that came or went. */
export interface StoreChange {
  session_id: string;
  before: SessionSummary | undefined;
  after: SessionSummary | undefined;
  /** Whether it was reports of progress, another program, or any other change through the store. */
  origin: "report" | "change" | "outside";
}

export interface Records {
  load(name: string): Promise<JsonValue | undefined>;
  replace(name: string, value: JsonValue): Promise<void>;
  /** Appends to a log. It is bounded: the oldest entries go when it is over its size. */
  append(name: string, entries: readonly JsonValue[]): Promise<void>;
  /** Entries of a log, newest first; `cursor` goes on where an earlier call stopped. */
  tail(
    name: string,
    limit: number,
    cursor?: string,
  ): Promise<{ entries: JsonValue[]; cursor: string | null }>;
}
