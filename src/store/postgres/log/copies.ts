/**
 * The copies of this daemon: how they are loaded and brought up to date, and which are forgotten when they
 * take too much memory.
 */
import type { SessionId } from "../../../session/session-id.ts";
import { missingSession } from "../../missing-session.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { toText } from "../schema/names.ts";
import type { Copy } from "./copy.ts";
import { catchUp, type FramedRow, loadCopy, type OpenedRows, readRow } from "./load.ts";
import { Slot } from "./slot.ts";

export interface CopyLimits {
  /** Of all documents together. */
  bytes: number;
  sessions: number;
}

export const usualLimits: CopyLimits = { bytes: 256 * 1024 * 1024, sessions: 10_000 };

export class Copies {
  readonly #database: Database;
  readonly #limits: CopyLimits;
  /** The least recently used first. */
  readonly #slots = new Map<string, Slot>();
  /** What each slot was last found to weigh. */
  readonly #weights = new Map<Slot, number>();
  #weight = 0;

  constructor(database: Database, limits: CopyLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  get all(): Iterable<Slot> {
    return this.#slots.values();
  }

  find(id: string): Slot | undefined {
    return this.#slots.get(id);
  }

  open(id: SessionId): Slot {
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const slot = new Slot(id);
    this.#slots.set(id, slot);
    return slot;
  }

  /**
   * Brings the copy of a slot to where the session is.
   *
   * @throws SessiondError `session_not_found`, `session_deleted`
   */
  async refresh(slot: Slot): Promise<void> {
    const { copy } = slot;
    if (copy !== undefined) {
      const [row] = await this.#database.query<{ seq: number; base_seq: number }>(
        "select seq, base_seq from sessiond.sessions where sid = $1 and removed_us is null",
        [copy.sid],
      );
      if (row?.seq === copy.seq && row.base_seq === copy.baseSeq) return slot.verified();
    }
    await this.#database.transaction((tx) => this.bring(tx, slot), { isolation: "snapshot" });
    slot.verified();
  }

  /** As `refresh`, in a transaction: of one snapshot, or with a lock on the row. */
  async bring(tx: Queryable, slot: Slot, lock?: string): Promise<FramedRow> {
    const row = await readRow(tx, slot.id, lock);
    if (row === undefined) {
      slot.copy = undefined;
      throw await this.missing(tx, slot.id);
    }
    await this.bringTo(tx, slot, row);
    return row;
  }

  /**
   * As `bring`, by what `openingFor` has read for the copy of the slot. Without that, and if it is not
   * enough, the row is read again.
   */
  async bringOpened(tx: Queryable, slot: Slot, opened: OpenedRows | undefined, lock: string): Promise<void> {
    const { copy } = slot;
    const [row] = opened?.[1] ?? [];
    if (copy !== undefined && row !== undefined) {
      slot.copy = undefined;
      if (await catchUp(tx, row as FramedRow, copy, opened?.[2])) {
        slot.copy = copy;
        return;
      }
    }
    await this.bring(tx, slot, lock);
  }

  async bringTo(tx: Queryable, slot: Slot, row: FramedRow): Promise<Copy> {
    const { copy } = slot;
    // What breaks off in the middle leaves no copy.
    slot.copy = undefined;
    const isUsable = copy !== undefined && (await catchUp(tx, row, copy));
    slot.copy = isUsable ? copy : await loadCopy(tx, row);
    return slot.copy;
  }

  /** The error of a session that is not there. */
  async missing(tx: Queryable, id: SessionId): Promise<Error> {
    const rows = await tx.query(
      "select from sessiond.sessions where id = $1 and removed_us is not null limit 1",
      [toText(id)],
    );
    return missingSession(id, rows.length > 0);
  }

  /** Somebody has used the slot. Forgets what is too much, the least recently used first. */
  used(slot: Slot): void {
    const weight = slot.copy?.weight ?? 0;
    this.#weight += weight - (this.#weights.get(slot) ?? 0);
    this.#weights.set(slot, weight);
    this.#slots.delete(slot.id);
    if (slot.copy === undefined && isIdle(slot)) this.#drop(slot);
    else this.#slots.set(slot.id, slot);
    if (this.#weight <= this.#limits.bytes && this.#slots.size <= this.#limits.sessions) return;
    for (const oldest of this.#slots.values()) {
      if (this.#weight <= this.#limits.bytes && this.#slots.size <= this.#limits.sessions) return;
      if (isIdle(oldest) && oldest !== slot) this.#drop(oldest);
    }
  }

  #drop(slot: Slot): void {
    this.#slots.delete(slot.id);
    this.#weight -= this.#weights.get(slot) ?? 0;
    this.#weights.delete(slot);
  }
}

function isIdle(slot: Slot): boolean {
  return !slot.isBusy && slot.tasks.length === 0;
}
