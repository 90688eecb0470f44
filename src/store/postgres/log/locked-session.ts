/**
 * A session whose row this transaction has locked: what it is, and each way to change it. Every change moves
 * `seq` by one and leaves a row in `changes`, with the operation id by which a lost reply is settled. What
 * becomes of the copy in memory is kept for the time after the commit.
 */
import { SessiondError } from "../../../error.ts";
import { type Session, type SessionSummary, summarize } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import type { Micros } from "../../../time/clock.ts";
import type { Gone } from "../../session-store.ts";
import type { Parameter, Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";
import { summaryOf } from "../view/summary-row.ts";
import type { Origin } from "./batch.ts";
import type { Copy } from "./copy.ts";
import { claimsByLease, encodeLists, resultsOf, writeDocument } from "./documents.ts";
import { writeCounts, writeLeases } from "./lease-row.ts";
import { type FramedRow, loadCopy } from "./load.ts";
import type { LockedRow, OwnChange, RemovedRow, SessionLease } from "./log.ts";
import { encodeFrame, frameColumns, frameValues } from "./session-row.ts";

export interface LockedState {
  tx: Queryable;
  row: FramedRow;
  /** Or why it cannot be read. */
  frame: Session | SessiondError;
  leases: ReadonlyMap<number, SessionLease>;
  copy: Copy | undefined;
  origin: Origin;
  /** The time of the database. */
  now: () => Micros;
}

type Kind = OwnChange["kind"];

interface Write {
  /** Assignments; the first value is `$4`. */
  set?: string;
  /** What others are to know of it, as JSON. */
  detail?: Buffer;
}

const empty: Buffer = Buffer.alloc(0);

export class LockedSession implements LockedRow {
  readonly sid: number;
  readonly id: SessionId;
  readonly copy: Copy | undefined;
  readonly removed: RemovedRow | undefined;
  /** What is to be told after the commit. */
  readonly changes: OwnChange[] = [];
  /** What is to become of a copy that is as the row was before. */
  readonly effects: ((copy: Copy) => void)[] = [];
  /** There is no such session any more, so no copy of it. */
  isGone = false;
  seq: number;
  summary: SessionSummary;
  leases: ReadonlyMap<number, SessionLease>;
  readonly #tx: Queryable;
  readonly #origin: Origin;
  readonly #now: () => Micros;
  #row: FramedRow;
  #frame: Session | SessiondError;

  constructor({ tx, row, frame, leases, copy, origin, now }: LockedState) {
    this.#tx = tx;
    this.#row = row;
    this.#origin = origin;
    this.#now = now;
    this.sid = row.sid;
    this.id = fromText(row.id) as SessionId;
    this.seq = row.seq;
    this.summary = summaryOf(row);
    this.#frame = frame;
    this.leases = leases;
    this.copy = copy;
    this.removed = removedOf(row);
  }

  get frame(): Session {
    if (this.#frame instanceof SessiondError) throw this.#frame;
    return this.#frame;
  }

  async setFrame(next: Session): Promise<void> {
    const { processed_count: processed, pending_count: pending, bytes } = this.summary;
    const frame = await encodeFrame(next);
    const size = bytes - this.#row.frame.length + frame.length;
    await this.#write("f", [frame, ...frameValues(next, size, { processed, pending })], {
      set: `frame_seq = seq + 1, frame = $4, ${assignments(5)}`,
    });
    const after = summaryFrom(next, this.summary, size);
    this.#became("f", after);
    this.#row = { ...this.#row, frame };
    this.#frame = withoutLists(next);
    const { seq } = this;
    this.effects.push((copy) => {
      copy.reframe(next, seq);
      copy.resize(size, copy.logBytes);
    });
  }

  async replace(next: Session): Promise<void> {
    const { processed_files, pending_files, partial_results } = next;
    const frame = await encodeFrame(next);
    const prepared = await WorkingSession.prepareDocument(next, noLists);
    const claims = await claimsByLease(
      await this.#claims(),
      (name) => prepared.files?.isPending(name) === true,
    );
    const lists = { processed: processed_files, pending: pending_files, claims };
    const encoded = await encodeLists({ ...lists, results: resultsOf(partial_results) });
    const size = frame.length + encoded.bytes;
    await this.#write("d", [frame, ...frameValues(next, size)], {
      set: `frame_seq = seq + 1, base_seq = seq + 1, log_bytes = 0, frame = $4, ${assignments(5)}`,
    });
    await writeDocument(this.#tx, this.sid, encoded);
    await this.#tx.query("delete from sessiond.journal where sid = $1", [this.sid]);
    await writeCounts(this.#tx, this.sid, this.leases, claims);
    this.#became("d", {
      ...summaryFrom(next, this.summary, size),
      processed_count: processed_files.length,
      pending_count: pending_files.length,
    });
    this.#row = { ...this.#row, frame };
    this.#frame = withoutLists(next);
    const { seq } = this;
    this.effects.push((copy) => copy.replace(next, prepared, seq, size));
  }

  async remove({ trashId, reason }: { trashId: string; reason: string }): Promise<void> {
    await this.#write("x", [this.#now(), toText(reason), toText(trashId)], {
      set: "removed_us = $4, removed_reason = $5, trash_id = $6",
      detail: Buffer.from(JSON.stringify({ restorable: true })),
    });
    if (this.leases.size > 0) await this.#tx.query("delete from sessiond.leases where sid = $1", [this.sid]);
    this.#gone(true);
  }

  async purge(): Promise<void> {
    await this.#write("x", [], { detail: Buffer.from(JSON.stringify({ restorable: false })) });
    for (const table of ["leases", "journal", "documents", "sessions"])
      await this.#tx.query(`delete from sessiond.${table} where sid = $1`, [this.sid]);
    await this.#keepRevision();
    this.#gone(false);
  }

  async putBack(revision: number): Promise<void> {
    const [other] = await this.#tx.query(
      "select from sessiond.sessions where id = $1 and removed_us is null",
      [toText(this.id)],
    );
    if (other !== undefined)
      throw new SessiondError("session_exists", `session "${this.id}" exists; delete it first`);
    await this.#write("t", [revision], {
      set: "revision = $4, frame_seq = seq + 1, removed_us = null, removed_reason = null, trash_id = null",
    });
    this.#became("t", { ...this.summary, revision });
  }

  async setLeases(leases: Iterable<SessionLease>, detail: Buffer): Promise<void> {
    const next = new Map(Array.from(leases, (held) => [held.lease.epoch, held]));
    await writeLeases(this.#tx, this.sid, this.leases, next);
    await this.#write("l", [], { detail });
    this.#became("l", this.summary);
    this.leases = next;
    this.effects.push((copy) => copy.setLeases(next));
  }

  /** Moves `seq`, and leaves a row in `changes`. */
  async #write(kind: Kind, values: Parameter[], { set = "", detail = empty }: Write): Promise<void> {
    // Nobody knows a session any more that is purged from the trash.
    const isTold = kind === "f" || kind === "d" || (kind === "x" && this.removed === undefined);
    const before = isTold ? JSON.stringify(this.summary) : undefined;
    const from = values.length + 4;
    await this.#tx.query(
      `with written as (
         update sessiond.sessions set seq = seq + 1${set === "" ? "" : `, ${set}`} where sid = $1
         returning sid, id, seq
       )
       insert into sessiond.changes (sid, id, seq, kind, origin, op, before, detail)
       select sid, id, seq, '${kind}', $2, $3, $${from}::bytea, $${from + 1}::bytea from written`,
      [
        this.sid,
        this.#origin.origin,
        this.#origin.op,
        ...values,
        before === undefined ? null : Buffer.from(before),
        detail.length === 0 ? null : detail,
      ],
    );
  }

  #became(kind: Kind, after: SessionSummary | undefined, gone?: Gone): void {
    const before = kind === "t" || this.removed !== undefined ? undefined : this.summary;
    this.changes.push({
      sid: this.sid,
      id: this.id,
      kind,
      seqBefore: this.seq,
      before,
      seqAfter: this.seq + 1,
      after,
      gone,
    });
    this.seq++;
    if (after !== undefined) this.summary = after;
  }

  #gone(restorable: boolean): void {
    this.#became("x", undefined, { cause: "removed", restorable });
    this.isGone = true;
  }

  /** So that a later session of this id goes on from there. */
  async #keepRevision(): Promise<void> {
    await this.#tx.query(
      `insert into sessiond.past (id, revision) values ($1, $2)
       on conflict (id) do update set revision = greatest(past.revision, excluded.revision), at = now()`,
      [toText(this.id), this.summary.revision],
    );
  }

  /** Claims are in the documents and the journal. Without a shared lease there are none. */
  async #claims(): Promise<Iterable<[name: string, lease: number]>> {
    const { copy } = this;
    if (copy !== undefined) return copy.claimed;
    for (const { lease } of this.leases.values())
      if (lease.shared) return (await loadCopy(this.#tx, this.#row)).claimed;
    return [];
  }
}

const noLists = withoutLists({} as Session);

function withoutLists(session: Session): Session {
  return { ...session, processed_files: [], pending_files: [], partial_results: {} };
}

function assignments(from: number): string {
  return frameColumns.map((name, at) => `${name} = $${from + at}`).join(", ");
}

function summaryFrom(next: Session, before: SessionSummary, bytes: number): SessionSummary {
  const { processed_count, pending_count } = before;
  return { ...summarize(next, Number(next.revision ?? 1), bytes), processed_count, pending_count };
}

function removedOf({ trash_id, removed_reason, removed_us }: FramedRow): RemovedRow | undefined {
  if (removed_us === null) return undefined;
  return {
    trashId: fromText(trash_id) ?? "",
    reason: fromText(removed_reason) ?? "",
    removedUs: removed_us,
  };
}
