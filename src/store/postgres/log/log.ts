/**
 * The log of each session, as the rooms above see it. A session is one row, guarded by the number of its last
 * change (`seq`), and its state follows from its log alone. This daemon keeps copies of the sessions that it
 * works on, each exact as of one `seq`. Whatever changes a session moves `seq` in the same transaction, and
 * writes only if `seq` is that of its copy, or under the row's lock. So a daemon that missed anything, be it
 * a report of another host, the end of a lease or the removal of the session, never writes.
 *
 * The room store/postgres/log/ owns the copies, what is appended to journals, changes under the lock of a
 * row, and compaction. It does not know who asks, how others hear of a change, nor how a session is listed.
 */
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { WorkingSession } from "../../../session/working/working-session.ts";
import type { Micros } from "../../../time/clock.ts";
import type { ClaimedFiles } from "../../claimed-files.ts";
import type { HeldLease } from "../../lease-rules.ts";
import type { Gone } from "../../session-store.ts";
import type { Queryable } from "../connection/database.ts";

/** A session in memory. Whoever gets it must not change it, and must not keep it. */
export interface SessionCopy {
  readonly sid: number;
  readonly id: SessionId;
  /** The copy is exact as of this change. */
  readonly seq: number;
  readonly working: WorkingSession;
  /** By the id of the lease. */
  readonly claimed: ClaimedFiles;
  /** By epoch. */
  readonly leases: ReadonlyMap<number, SessionLease>;
  summary(): SessionSummary;
}

/** A lease, and the host whose daemon has the worker. */
export interface SessionLease extends HeldLease {
  readonly hostId: string;
}

/** A report (r), a claim (c), or the giving back of claims (g). */
export interface Appending {
  readonly kind: "r" | "c" | "g";
  /** Of a report: the delta. Else `{"lease":id,"files":[…]}`. */
  readonly json: Buffer;
}

/** A copy that a report or a claim is applied to. */
export interface WritableCopy extends SessionCopy {
  /** The revision and the time for a report that is made now. */
  readonly next: { readonly revision: number; readonly time: Micros };
}

/** What was applied to the copy; no records if there is nothing to keep. */
export interface Appended<T> {
  readonly records: readonly Appending[];
  readonly value: T;
}

export interface AppendOptions {
  /** About how many bytes the document may grow. */
  growth?: number;
  /**
   * Work in slices before `make`, such as to apply a large report to copies of the lists. Nothing else is
   * appended to the copy meanwhile. It is called again if the copy had to change before `make`. Resolves with
   * the growth.
   */
  prepare?: (copy: SessionCopy) => Promise<number>;
}

/** A session whose row is locked. Each of the methods that write adds one to `seq`. */
export interface LockedRow {
  readonly sid: number;
  readonly id: SessionId;
  readonly seq: number;
  readonly summary: SessionSummary;
  /**
   * The document with empty lists and results in their places.
   *
   * @throws SessiondError `session_corrupt`
   */
  readonly frame: Session;
  readonly leases: ReadonlyMap<number, SessionLease>;
  /** Exact as of now. Only if it was asked for. */
  readonly copy: SessionCopy | undefined;
  /** Of a session in the trash. */
  readonly removed: RemovedRow | undefined;
  /** The document keeps its lists and results. `next` has the revision that is to be. */
  setFrame(next: Session): Promise<void>;
  /** Another document, with the revision that is to be. Claims of what is not pending any more end. */
  replace(next: Session): Promise<void>;
  /** Into the trash. Its leases and claims end. */
  remove(trash: { trashId: string; reason: string }): Promise<void>;
  /** For good. Its last revision is kept. */
  purge(): Promise<void>;
  /** Back from the trash, with the revision that is to be. */
  putBack(revision: number): Promise<void>;
  /** Writes, in the table, what leases there are now; claims of leases that are gone end. */
  setLeases(leases: Iterable<SessionLease>, detail: Buffer): Promise<void>;
}

export interface RemovedRow {
  readonly trashId: string;
  readonly reason: string;
  readonly removedUs: Micros;
}

export type CreationCheck = (tx: Queryable) => Promise<void>;

export interface Log {
  /**
   * Calls `use` with the copy, exact as of a moment after the call. What `use` needs after it has waited, it
   * takes before: as a snapshot (`working.withSnapshot`).
   *
   * @throws SessiondError `session_not_found`, `session_deleted`, `session_corrupt`, `storage_unavailable`
   */
  read<T>(id: SessionId, use: (copy: SessionCopy) => T | Promise<T>): Promise<T>;
  /**
   * Appends to the journal. `make` checks, then applies to the copy, and returns what is to be kept; if it
   * throws, it has applied nothing. It may be called again, on another copy. Resolves when the records are
   * durable. What is appended to one session is made in the order of the calls.
   *
   * If it fails because the database is away, so does all that waits to be appended to the session: nothing
   * overtakes what its caller will make again.
   *
   * @throws SessiondError `session_not_found`, `session_deleted`, `session_corrupt`, `payload_too_large`,
   *   `storage_unavailable`
   */
  append<T>(id: SessionId, make: (copy: WritableCopy) => Appended<T>, options?: AppendOptions): Promise<T>;
  /**
   * A change under the lock of the row. With `row`, no list is loaded: the cost does not grow with it.
   * `make` may be called again after a conflict. Resolves when the change is durable.
   *
   * @throws SessiondError `session_not_found`, `session_deleted`, `session_corrupt`, `storage_unavailable`
   */
  change<T>(
    which: SessionId | TrashedRow,
    needs: "row" | "copy",
    make: (row: LockedRow, tx: Queryable) => Promise<T>,
  ): Promise<T>;
  /**
   * Moves a session to the trash, in one transaction with others that are removed at this moment. Resolves
   * with its summary before.
   *
   * @throws SessiondError `session_not_found`, `storage_unavailable`; what `check` throws
   */
  remove(id: SessionId, removal: Removal): Promise<SessionSummary>;
  /**
   * Makes a session, with the revision of the document. Undefined if there is one of this id. `check` is
   * called when the id is the new session's: what it throws undoes the creation.
   *
   * @throws SessiondError `payload_too_large`, `invalid_request`, `storage_unavailable`
   */
  create(session: Session, check?: CreationCheck): Promise<SessionSummary | undefined>;
  close(): Promise<void>;
}

/** How a session goes to the trash. */
export interface Removal {
  readonly trashId: string;
  readonly reason: string;
  /** Throws if the session must stay. Its row is locked. */
  check(summary: SessionSummary, leases: ReadonlyMap<number, SessionLease>): void;
}

/** A session in the trash, by its trash id. */
export interface TrashedRow {
  readonly trashId: string;
}

/** Who hears of changes of this daemon, right after each commit. */
export interface Told {
  /** Resolves when the change was told. */
  own(change: OwnChange): Promise<void>;
  /** A report was kept. It may be told later. */
  reported(change: OwnReport): void;
}

export interface OwnChange {
  readonly sid: number;
  readonly id: SessionId;
  readonly kind: "n" | "f" | "d" | "x" | "t" | "l";
  readonly seqBefore: number;
  /** Undefined of a session that is new, or back from the trash. */
  readonly before: SessionSummary | undefined;
  readonly seqAfter: number;
  /** Undefined of a session that is gone. */
  readonly after: SessionSummary | undefined;
  readonly gone?: Gone | undefined;
}

export interface OwnReport {
  readonly sid: number;
  readonly id: SessionId;
  readonly seqBefore: number;
  readonly seqAfter: number;
  readonly summary: () => SessionSummary;
}
