/**
 * The seam to storage: all that the rest of sessiond knows about it. The words here are sessions, revisions,
 * leases and reasons; where a session lies and how a backend hears of changes is the backend's own affair.
 * Every read is a promise, so that a backend may ask somebody else. A change resolves when it is durable.
 * Errors are SessiondErrors: an error whose `outcome` is `unknown` may have been applied, any other was not.
 *
 * A backend implements SessionStore, is picked in open-store.ts, and passes the suite in test/store/suite.
 *
 * The room store/ owns storage: the seam, what all backends share (index, leases, conditions, generations),
 * and the choice of the backend. It does not know who asks.
 */
import type { z } from "zod";
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
import type { Clock } from "../time/clock.ts";
import type { Availability } from "./availability.ts";
import type { Candidates, CleanupRule } from "./candidates.ts";
import type { Slots } from "./slots.ts";

export type { Availability } from "./availability.ts";
export type { Candidates, CleanupRule } from "./candidates.ts";
export type { Slot, SlotAnswer, Slots } from "./slots.ts";

export type ListQuery = Partial<Query<"listSessions">>;

export interface ReportOptions {
  /** The epoch of the caller's lease. Without an epoch, the change is refused while anybody has a lease. */
  epoch?: number | undefined;
}

export interface ProgressOptions extends ReportOptions {
  /**
   * The JSON object that the delta was parsed from, in UTF-8, no deeper than a document may be. It may have
   * further keys. A backend that keeps reports as JSON need not encode the delta again.
   */
  json?: Buffer | undefined;
}

/**
 * One state of a session, as somebody saw it. A revision alone names none: a session that was created anew
 * counts from 1 again, and so may one that another program wrote. All three are compared.
 */
export type Seen = Pick<SessionSummary, "generation" | "revision" | "checkpoint_time">;

/** The epoch matters for progress, checkpoints and saves. Anybody may make the other changes. */
export interface ChangeOptions extends ReportOptions {
  /** Apply only while the session is in this state, else `revision_mismatch`. */
  ifSeen?: Seen | undefined;
}

export interface SaveOptions extends ChangeOptions {
  /** Create only: `revision_mismatch` if there is a session of this id. */
  ifAbsent?: boolean | undefined;
  /** Replace only: never create the session. */
  ifPresent?: boolean | undefined;
}

export interface RemoveOptions extends ChangeOptions {
  /** Delete for good instead of moving to the trash. */
  purge?: boolean;
  /** Also when a worker has a lease, which ends with it; else `lease_held`. */
  force?: boolean;
  /** A reason code, kept with the trash entry. */
  reason: string;
}

/** A session and its summary, both at one revision. */
export interface StoredSession {
  session: Session;
  summary: SessionSummary;
}

export interface SessionStore {
  /** @throws `session_exists`, `session_corrupt` if an unreadable document is in its place */
  create(input: NewSession): Promise<StoredSession>;
  /** @throws `session_not_found`, `session_deleted`, `session_corrupt` */
  read(id: SessionId): Promise<StoredSession>;
  /**
   * Runs a command in the session's own queue: read, apply, make durable, index. Files that a lease has
   * claimed cannot be requeued: `not_claimed`.
   */
  apply(id: SessionId, command: Command, options?: ChangeOptions): Promise<StoredSession>;
  /**
   * As `apply`, for a caller that needs no document. A backend may then make transitions and edits without
   * reading the file lists and results.
   */
  change(id: SessionId, command: Command, options?: ChangeOptions): Promise<SessionSummary>;
  /**
   * Reports progress. The cost depends on the delta, not on the session. Any number of reports may be under
   * way; the reports of one session are applied in the order of the calls. Under a shared lease, each file of
   * `processed` and each pending file of `results` must be claimed by the lease, except that files which are
   * processed already, and claimed by nobody, are left out with their results.
   *
   * @throws SessiondError `not_claimed`, among others: nothing of the report is kept
   */
  report(id: SessionId, delta: ProgressDelta, options?: ProgressOptions): Promise<ProgressReply>;
  /** Replaces the document, or creates the session if there is none (not with `ifSeen` or `ifPresent`). */
  save(session: Session, options?: SaveOptions): Promise<StoredSession & { created: boolean }>;
  /** How many removals are worth being under way at once. */
  readonly removalsAtOnce: number;
  remove(id: SessionId, options: RemoveOptions): Promise<Removed & { bytes: number }>;

  /**
   * The cost does not grow with the session.
   *
   * @throws `session_not_found`, `session_deleted`, `session_corrupt`
   */
  summary(id: SessionId): Promise<SessionSummary>;
  has(id: SessionId): Promise<boolean>;
  /** @throws `invalid_request` for a bad cursor */
  list(query?: ListQuery): Promise<SummaryPage>;
  stats(): Promise<Stats>;
  /**
   * Every session, in slices, in no particular order. A session that exists from the call to the end comes
   * once.
   */
  summaries(): AsyncIterable<SessionSummary[]>;
  /** The sessions about which a cleanup policy has to decide. */
  candidates(rule: CleanupRule): Promise<Candidates>;

  /**
   * Copies the document as it is now. What a `destination` means only the backend knows.
   *
   * @throws `invalid_request` for a destination that the backend refuses
   */
  backup(id: SessionId, destination?: string): Promise<Backup>;
  /** Newest first. */
  listBackups(id: SessionId): Promise<Backup[]>;
  restoreBackup(id: SessionId, backup: string): Promise<Restored>;
  /** The findings, and what a run remembers: one look at the document serves both. */
  validate(id: SessionId): Promise<Validation & Pick<Session, "run">>;
  recover(id: SessionId): Promise<Recovery>;

  listTrash(): Promise<TrashListing>;
  /** Without a trash id, the newest of that session. @throws `session_not_found`, `session_exists` */
  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary>;
  /**
   * Deletes for good what has been in the trash at least this long (milliseconds); everything by default.
   * With `only`, no other entries than those with these trash ids.
   */
  emptyTrash(olderThanMs?: number, only?: ReadonlySet<string>): Promise<Emptied & { entries: TrashEntry[] }>;

  /** Who may report. The leases that an earlier run left are there at the start. */
  readonly leases: Leases;
  /** Which worker works on which file of a shared session. Claims last as long as their lease. */
  readonly claims: Claims;
  readonly changes: Changes;

  /** Small durable documents and logs of the daemons' own. */
  readonly records: Records;
  /** Which daemon does the work of a job at a scheduled time. */
  readonly slots: Slots;
  /** The time by which ages count. It need not be that of this host. */
  readonly clock: Clock;
  readonly availability: Availability;
  /** What a person should look at, most urgent first. */
  health(): Promise<HealthProblem[]>;
  facts(): Promise<StoreFacts>;
  /** Resolves when storage has failed for good: nothing more is acknowledged, and the process should end. */
  readonly failed: Promise<Error>;
  /** Refuses further changes, finishes those under way, and releases the storage. */
  close(): Promise<void>;
}

/** What a backend shows of itself: `kind` and `location` for people, and further plain data as it likes. */
export type StoreFacts = Info["store"];

export interface Lease {
  session_id: string;
  /** Higher than that of every lease before it, of any session. Public: it proves nothing. */
  epoch: number;
  /** Whether others may have leases of the session, too: then its worker reports what it has claimed. */
  shared: boolean;
  worker: string | null;
  /** The process of the worker, if it said; see `host/process-identity.ts`. */
  process: string | null;
  /** The name of the host on which the worker attached; null if that is not known. */
  host: string | null;
  /** When the lease began. It stays the same when the worker comes back. */
  since: string;
  /** Of the session, when the worker attached. */
  generation: string | null;
}

/** A lease of any host. */
export interface FleetLease extends Lease {
  /**
   * Of a lease that the daemon of another host watches over: whether its worker is connected there, as far as
   * that daemon has told. Undefined for a lease of this daemon's host.
   */
  elsewhere?: { connected: boolean } | undefined;
}

export interface LeaseRequest {
  /** A name for people to know the worker by. */
  worker?: string | undefined;
  /** The process of the worker. */
  process?: string | undefined;
  /** The token of the lease with which the worker wants to go on, under a new epoch. */
  token?: string | undefined;
  /** Share the session with other workers: false by default. */
  shared?: boolean | undefined;
}

export interface Acquired {
  lease: Lease;
  /** Proves who holds the lease, for as long as it lasts. For its worker alone: never log or list it. */
  token: string;
}

export interface Leases {
  /**
   * Resolves when the lease is durable.
   *
   * @throws SessiondError `lease_held`, `lease_lost`, `session_not_found`, `session_deleted`,
   *   `session_corrupt`
   */
  acquire(id: SessionId, request: LeaseRequest): Promise<Acquired>;
  /**
   * Ends a lease, if there is still that one. What it has claimed is free. `why` is what the daemons of other
   * hosts tell of it. If it fails, the store tries again by itself.
   */
  release(id: SessionId, epoch: number, why?: "detached" | "lost"): Promise<void>;
  /** The worker has lost its connection, and may come back: for the daemons of other hosts to tell. */
  disconnected(id: SessionId, epoch: number): Promise<void>;
  /** The leases of a session, on whatever host: one that is exclusive, or any number that are shared. */
  of(id: string): Promise<FleetLease[]>;
  /** The leases of these sessions, such as those of a page of a list. */
  among(ids: readonly string[]): Promise<FleetLease[]>;
  /** The leases of all hosts. */
  all(): Promise<FleetLease[]>;
  /** Those of this daemon's host, over which it watches: also those that an earlier run left. */
  own(): Promise<Lease[]>;
  /**
   * Calls back for each lease of a host that was lost, once this daemon alone has it: its worker has no grace
   * left. Returns the function that ends the subscription.
   */
  onOrphaned(listener: (lease: Lease) => void): () => void;
  /**
   * Calls back for what the daemons of other hosts do to leases, also to those of this host. Returns the
   * function that ends the subscription.
   */
  onElsewhere(listener: (event: LeaseEvent) => void): () => void;
}

export interface LeaseEvent {
  kind: "attached" | "detached" | "lost";
  lease: Pick<Lease, "session_id" | "epoch" | "worker">;
  /** Of a worker that was lost: its lease has ended. */
  gone: boolean;
}

/**
 * A shared lease claims pending files before its worker works on them. No file is claimed by two leases. A
 * claim ends when the file is processed, given back, or not pending any more, or when the lease or the
 * session ends; it outlives restarts, and the connection of its worker. All are refused with `lease_lost` if
 * there is no lease of this epoch, and with `invalid_request` if that lease is exclusive.
 */
export interface Claims {
  /**
   * Claims the first pending files that are free: at most `count`, and at most a fair part of those that are
   * free, which is one of as many parts as the session has leases, and at least one file. None while the
   * session is not running. Resolves when the claims are durable.
   */
  take(id: SessionId, epoch: number, count: number): Promise<Taken>;
  /**
   * Resolves when it is durable that the lease holds these files no more.
   *
   * @throws SessiondError `not_claimed` if it does not hold one of them: then none is given back
   */
  giveBack(id: SessionId, epoch: number, files: readonly string[]): Promise<void>;
  /** The files that a lease holds, in the order of the pending list. Each of these claims is durable. */
  held(id: SessionId, epoch: number): Promise<string[]>;
  /** How many files each lease of a session holds, by epoch. */
  counts(id: string): Promise<Map<number, number>>;
  /**
   * Calls back when files of a session may be free that were not: given back, added, requeued, or their lease
   * has ended. Returns the function that ends the subscription.
   */
  onFree(listener: (id: string) => void): () => void;
}

export interface Taken {
  /** Empty if no pending file is free. */
  files: string[];
  /** How many files are pending, whoever holds them. */
  left: number;
  /** How many of them nobody holds now. */
  free: number;
}

/**
 * What becomes of the sessions. Each change is told once: one step from what was told before to what is true
 * now. A change of `bytes` alone is told as well; it keeps the revision.
 */
export interface Changes {
  /** Calls back after each change. Returns the function that ends the subscription. */
  subscribe(listener: (change: StoreChange) => void): () => void;
  /**
   * Announces the unannounced reports of up to `limit` sessions; true if more remain. The reports of a
   * session are announced also when somebody reads the session.
   */
  announceReports(limit: number): boolean;
  /**
   * Calls back when changes may have been missed, such as after a long time without the storage. None of them
   * will be told: whoever keeps what changes have told looks again. Returns the function that ends the
   * subscription.
   */
  onGap(listener: () => void): () => void;
}

/**
 * One change of one session. A new session has no `before`. A session that is gone has no `after`, but
 * `gone`. A session that was unreadable and is gone now has neither `before` nor `after`.
 */
export interface StoreChange {
  session_id: string;
  before: SessionSummary | undefined;
  after: SessionSummary | undefined;
  gone?: Gone | undefined;
  /** Who made the change: reports of progress, another program, or any other change through this store. */
  origin: "report" | "change" | "outside";
}

export interface Gone {
  /** Removed through the store, taken away by another program, or still there but not readable. */
  cause: "removed" | "gone" | "unreadable";
  /** Whether a session of this id is in the trash. */
  restorable: boolean;
}

export interface Records {
  /** A record that cannot be read, or does not fit, is set aside: undefined, as if there were none. */
  load<T = JsonValue>(name: string, schema?: z.ZodType<T>): Promise<T | undefined>;
  replace(name: string, value: JsonValue): Promise<void>;
  /**
   * Replaces a record by what `change` makes of it, and resolves with that. No other change comes in between,
   * of whatever daemon. `change` may be called again.
   */
  update<T extends JsonValue>(
    name: string,
    schema: z.ZodType<T>,
    change: (value: T | undefined) => T,
  ): Promise<T>;
  /**
   * Appends to a log. It is bounded: the oldest entries go when it is over its size. A caller who appends
   * again after a failure with an unknown outcome may add an entry twice.
   */
  append(name: string, entries: readonly JsonValue[]): Promise<void>;
  /** Entries of a log, newest first; `cursor` goes on where an earlier call stopped. */
  tail(
    name: string,
    limit: number,
    cursor?: string,
  ): Promise<{ entries: JsonValue[]; cursor: string | null }>;
}
