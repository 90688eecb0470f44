/** Changes under the lock of a session's row, and new sessions: each in a transaction of its own. */
import { randomUUID } from "node:crypto";
import { isSessiondError } from "../../../error.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Clock } from "../../../time/clock.ts";
import { missingSession } from "../../missing-session.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { type SummaryRow, summaryColumns, summaryOf } from "../view/summary-row.ts";
import type { Copies } from "./copies.ts";
import { encodeLists, resultsOf, writeDocument } from "./documents.ts";
import { readLeases } from "./lease-row.ts";
import { type FramedRow, readable, readRow, readTrashedRow } from "./load.ts";
import { LockedSession } from "./locked-session.ts";
import type { CreationCheck, LockedRow, Told, TrashedRow } from "./log.ts";
import { hasChanged, isUnknown, settle } from "./operation.ts";
import { encodeFrame, frameColumns, frameOf, frameValues } from "./session-row.ts";
import type { Slot } from "./slot.ts";

export interface ChangerOptions {
  database: Database;
  copies: Copies;
  clock: Clock;
  /** Of this run of the daemon. */
  origin: string;
  told: Told;
  /** Files of the session may be free that were not. */
  onFree: (id: SessionId) => void;
}

export type Make<T> = (row: LockedRow, tx: Queryable) => Promise<T>;

/** One attempt at a change. */
interface Attempt<T> {
  row?: FramedRow;
  locked?: LockedSession;
  value?: T;
}

const lock = "for no key update";

export class Changer {
  readonly #options: ChangerOptions;

  constructor(options: ChangerOptions) {
    this.#options = options;
  }

  /** Nobody else works on the slot meanwhile; undefined of a session in the trash. */
  async change<T>(
    which: SessionId | TrashedRow,
    slot: Slot | undefined,
    needs: "row" | "copy",
    make: Make<T>,
  ): Promise<T> {
    for (;;) {
      const op = randomUUID();
      let attempt: Attempt<T> = {};
      try {
        await this.#options.database.transaction(async (tx) => {
          attempt = {};
          await this.#attempt(tx, attempt, { which, slot, needs, make, op });
        });
      } catch (error) {
        if (!isUnknown(error) || !(await this.#isApplied(error, op, attempt))) {
          if (isUnknown(error)) continue;
          throw error;
        }
      }
      await this.#committed(slot, attempt.locked as LockedSession, attempt.row as FramedRow);
      return attempt.value as T;
    }
  }

  async #attempt<T>(
    tx: Queryable,
    attempt: Attempt<T>,
    {
      which,
      slot,
      needs,
      make,
      op,
    }: { which: SessionId | TrashedRow; slot: Slot | undefined; needs: string; make: Make<T>; op: string },
  ): Promise<void> {
    const { copies, clock, origin } = this.#options;
    const isTrashed = typeof which === "object";
    const row = isTrashed ? await readTrashedRow(tx, which.trashId, lock) : await readRow(tx, which, lock);
    if (row === undefined) {
      if (slot !== undefined) slot.copy = undefined;
      throw isTrashed ? missingSession(which.trashId, false) : await copies.missing(tx, which);
    }
    attempt.row = row;
    const copy = needs === "copy" && slot !== undefined ? await copies.bringTo(tx, slot, row) : undefined;
    const leases = copy?.leases ?? (await readLeases(tx, row.sid));
    const frame = await readable(row, () => frameOf(row)).catch((error: unknown) => {
      if (isSessiondError(error, "session_corrupt")) return error;
      throw error;
    });
    const locked = new LockedSession({
      tx,
      row,
      frame,
      leases,
      copy,
      origin: { op, origin },
      now: () => clock.now(),
    });
    attempt.locked = locked;
    attempt.value = await make(locked, tx);
  }

  /**
   * The transaction held the lock on the row, so the lock on the row waits for its end. If the row is gone,
   * it is over.
   */
  #isApplied(lost: unknown, op: string, { row }: Attempt<unknown>): Promise<boolean> {
    return settle(this.#options.database, lost, async (tx) => {
      await tx.query(`select from sessiond.sessions where sid = $1 ${lock}`, [row?.sid ?? 0]);
      return hasChanged(tx, op);
    });
  }

  /** Brings the copy along, if it is as the row was, and tells of the change. */
  async #committed(slot: Slot | undefined, locked: LockedSession, row: FramedRow): Promise<void> {
    const copy = slot?.copy;
    if (slot !== undefined && locked.isGone) slot.copy = undefined;
    else if (copy?.sid === row.sid && copy.seq === row.seq) {
      for (const effect of locked.effects) effect(copy);
      copy.seq = locked.seq;
    } else if (locked.changes.some(({ kind }) => kind === "d")) {
      // No copy tells which files are free now. So whoever waits for one looks.
      this.#options.onFree(locked.id);
    }
    for (const change of locked.changes) await this.#options.told.own(change);
  }

  /** As `Log.create`. */
  async create(session: Session, check?: CreationCheck): Promise<SessionSummary | undefined> {
    const { database, origin, told } = this.#options;
    const { processed_files: processed, pending_files: pending, partial_results } = session;
    const frame = await encodeFrame(session);
    const document = await encodeLists({
      processed,
      pending,
      results: resultsOf(partial_results),
      claims: [],
    });
    const values = [frame, ...frameValues(session, frame.length + document.bytes)];
    const ops: string[] = [];
    for (;;) {
      const op = randomUUID();
      ops.push(op);
      try {
        const made = await database.transaction(async (tx) => {
          // If an earlier attempt is still under way, this waits for its end.
          const [row] = await tx.query<{ sid: number } & SummaryRow>(insertSession, values);
          if (row === undefined) return ops.length === 1 ? undefined : madeBefore(tx, ops);
          await check?.(tx);
          await writeDocument(tx, row.sid, document);
          await tx.query(
            `insert into sessiond.changes (sid, id, seq, kind, origin, op) values ($1, $2, 1, 'n', $3, $4)`,
            [row.sid, row.id, origin, op],
          );
          return row;
        });
        if (made === undefined) return undefined;
        const after = summaryOf(made);
        const id = session.session_id as SessionId;
        await told.own({ sid: made.sid, id, kind: "n", seqBefore: 0, before: undefined, seqAfter: 1, after });
        return after;
      } catch (error) {
        if (!isUnknown(error)) throw error;
        // Waits until the database is there; then the insertion itself finds out.
        await settle(database, error, () => Promise.resolve());
      }
    }
  }
}

const insertSession = `
insert into sessiond.sessions (seq, base_seq, frame_seq, frame, ${frameColumns.join(", ")})
values (1, 1, 1, ${["frame", ...frameColumns].map((_, at) => `$${at + 1}`).join(", ")})
on conflict (id) where removed_us is null do nothing
returning sid, ${summaryColumns}`;

async function madeBefore(
  tx: Queryable,
  ops: readonly string[],
): Promise<({ sid: number } & SummaryRow) | undefined> {
  const [row] = await tx.query<{ sid: number } & SummaryRow>(
    `select sid, ${summaryColumns} from sessiond.sessions where sid in (
       select sid from sessiond.changes where op = any ($1::uuid[]))`,
    [ops],
  );
  return row;
}
