/**
 * Makes what is appended durable. The appends of all sessions that wait go into one statement, one at a time:
 * a second one under way would bring nothing. It expects each row to be as the copy was. Where others append
 * to the same session, that fails, and the copy is spoilt; so the next appends to that session take the lock
 * of its row first, each session in a transaction of its own, and the database lets one after the other in.
 *
 * No deadlock: the statement of many sessions waits for no lock, and a transaction that waits has no other.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../../time/clock.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { appendBatch, type SessionBatch } from "./batch.ts";
import type { Copies } from "./copies.ts";
import { type OpenedRows, openingFor } from "./load.ts";
import { isUnknown, settle } from "./operation.ts";
import { type AppendTask, type Made, makeNext, mostBytes, needsPrepare, type Slot } from "./slot.ts";

export interface AppenderOptions {
  database: Database;
  copies: Copies;
  clock: Clock;
  /** Of this run of the daemon. */
  origin: string;
  /** Appends are durable, and their callers were answered. */
  onKept: (made: Made, seqBefore: number) => void;
  /** Nobody works on the slot any more. */
  onIdle: (slot: Slot) => void;
}

/** How many transactions may wait for locks at once: they take connections that others need. */
const lockersAtOnce = 4;

export class Appender {
  readonly #options: AppenderOptions;
  #ready: Slot[] = [];
  #isUnderWay = false;
  readonly #lockers: Slot[] = [];
  #locking = 0;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** The slot has appends that are next. Calls `onIdle` when it has done what it can with them. */
  add(slot: Slot): void {
    if (slot.contended > 0) {
      this.#lockers.push(slot);
      this.#lockNext();
      return;
    }
    this.#ready.push(slot);
    if (this.#ready.length === 1 && !this.#isUnderWay) this.#beginSoon();
  }

  /** After the calls of this turn of the event loop, which then share the statement. */
  #beginSoon(): void {
    this.#isUnderWay = true;
    setImmediate(() => void this.#runBatch());
  }

  async #runBatch(): Promise<void> {
    const made = this.#makeReady();
    try {
      await this.#keep(made);
    } finally {
      this.#isUnderWay = false;
      if (this.#ready.length > 0) this.#beginSoon();
    }
  }

  /** Others wait for the next statement. */
  #makeReady(): Made[] {
    const made: Made[] = [];
    const slots = this.#ready;
    let [bytes, at] = [0, 0];
    for (; at < slots.length && bytes < mostBytes; at++) {
      const one = makeNext(slots[at] as Slot, this.#options.clock);
      bytes += one.bytes;
      made.push(one);
    }
    this.#ready = slots.slice(at);
    return made;
  }

  async #keep(made: readonly Made[]): Promise<void> {
    const { database, origin, onIdle } = this.#options;
    const batches = made.flatMap(({ batch }) => batch ?? []);
    let written: ReadonlySet<number> = new Set();
    let failure: unknown;
    if (batches.length > 0) {
      const op = randomUUID();
      try {
        written = await appendBatch(database, batches, { op, origin }).catch((error: unknown) =>
          this.#settled(error, op, batches),
        );
      } catch (error) {
        failure = error;
      }
    }
    for (const one of made) {
      if (one.batch === undefined || written.has(one.batch.sid)) this.#kept(one);
      else if (failure === undefined) this.#conflicted(one);
      else this.#failed(one, failure);
    }
    for (const { slot } of made) onIdle(slot);
  }

  #kept(made: Made): void {
    const { copy, batch, answers, bytes } = made;
    const seqBefore = copy.seq;
    if (batch !== undefined) {
      copy.seq += batch.records.length;
      copy.logBytes += bytes;
      for (const [lease, count] of batch.counts ?? []) copy.counted.set(lease, count);
    }
    for (const answer of answers) answer();
    this.#options.onKept(made, seqBefore);
  }

  /** Somebody else has changed the session, or has its lock. What was applied to the copy is not true. */
  #conflicted({ slot, tasks }: Made): void {
    slot.copy = undefined;
    slot.othersAppend();
    slot.tasks.unshift(...tasks);
  }

  #failed({ slot, tasks }: Made, failure: unknown): void {
    slot.copy = undefined;
    slot.refuse(tasks, failure);
  }

  /**
   * The reply of a statement was lost: which of its sessions were written. The locks are taken in the order
   * of the rows, because others may settle at the same time. Where nothing was written, `seq` moves, so that
   * a statement that the server has not begun yet finds no row as it expects it.
   */
  async #settled(lost: unknown, op: string, batches: readonly SessionBatch[]): Promise<Set<number>> {
    if (!isUnknown(lost)) throw lost;
    const sids = batches.map(({ sid }) => sid);
    return settle(this.#options.database, lost, async (tx) => {
      await tx.query(
        "select from sessiond.sessions where sid = any ($1::bigint[]) order by sid for no key update",
        [sids],
      );
      const [row] = await tx.query<{ sids: string[] | number[] }>(
        "update sessiond.batches set at = at where op = $1 returning sids",
        [op],
      );
      const written = new Set((row?.sids ?? []).map(Number));
      const others = sids.filter((sid) => !written.has(sid));
      if (others.length > 0)
        await tx.query("update sessiond.sessions set seq = seq + 1 where sid = any ($1::bigint[])", [others]);
      return written;
    });
  }

  #lockNext(): void {
    while (this.#locking < lockersAtOnce) {
      const slot = this.#lockers.shift();
      if (slot === undefined) return;
      this.#locking++;
      void this.#appendLocked(slot).finally(() => {
        this.#locking--;
        this.#options.onIdle(slot);
        this.#lockNext();
      });
    }
  }

  async #appendLocked(slot: Slot): Promise<void> {
    const { database, origin } = this.#options;
    const run: { made?: Made | undefined; op: string } = { op: randomUUID() };
    try {
      const opening = slot.copy === undefined ? undefined : openingFor(slot.copy);
      const append = async (tx: Queryable, opened: unknown[][]) => {
        // It may run again after a conflict.
        if (run.made !== undefined) this.#conflicted(run.made);
        run.made = undefined;
        await this.#bringUnderLock(tx, slot, opening && (opened as OpenedRows));
        run.made = makeNext(slot, this.#options.clock);
        const { batch } = run.made;
        if (batch !== undefined) await appendBatch(tx, [batch], { op: run.op, origin });
      };
      await database.transaction(append, opening && { opening });
      if (run.made !== undefined) this.#kept(run.made);
    } catch (error) {
      await this.#lockedFailed(slot, run, error);
    }
  }

  async #lockedFailed(
    slot: Slot,
    { made, op }: { made?: Made | undefined; op: string },
    error: unknown,
  ): Promise<void> {
    if (made === undefined) {
      slot.refuse(slot.takeNext("append"), error);
      return;
    }
    if (made.batch === undefined) {
      this.#failed(made, error);
      return;
    }
    try {
      const written = await this.#settled(error, op, [made.batch]);
      if (written.size > 0) this.#kept(made);
      else this.#conflicted(made);
    } catch (failure) {
      this.#failed(made, failure);
    }
  }

  async #bringUnderLock(tx: Queryable, slot: Slot, opened: OpenedRows | undefined): Promise<void> {
    const before = slot.copy?.seq;
    await this.#options.copies.bringOpened(tx, slot, opened, "for no key update");
    if (slot.copy?.seq === before) slot.nobodyElseAppended();
    else slot.othersAppend();
    slot.verified();
    const [first] = slot.tasks;
    if (first?.kind === "append") await prepare(slot, first);
  }
}

/** The work of a large append before it is made. */
export async function prepare(slot: Slot, task: AppendTask): Promise<void> {
  const { copy } = slot;
  if (copy === undefined || !needsPrepare(task, copy)) return;
  try {
    task.growth = (await task.prepare?.(copy)) ?? 0;
    task.preparedAt = copy.seq;
  } catch (error) {
    slot.tasks.shift();
    task.reject(error);
  }
}
