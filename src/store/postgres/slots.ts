/**
 * The slots of jobs in a table: which daemon has taken which, its heartbeat, and the end. All times are the
 * database's. Does not know what the jobs are.
 */
import type { Micros } from "../../time/clock.ts";
import type { Slot, SlotAnswer, Slots } from "../slots.ts";
import type { Database } from "./connection/database.ts";
import { toText } from "./schema/names.ts";

export interface PostgresSlotsOptions {
  database: Database;
  hostId: string;
  /** Of this run of the daemon. */
  run: string;
  leaseTtlMs: number;
}

/** In the time until a daemon has lost its slots. */
const beatsPerTtl = 4;
const [soonestAskMs, latestAskMs] = [100, 5000];

export class PostgresSlots implements Slots {
  readonly #options: PostgresSlotsOptions;
  readonly #taken = new Set<TakenSlot>();

  constructor(options: PostgresSlotsOptions) {
    this.#options = options;
  }

  async take(job: string, at: Micros): Promise<SlotAnswer> {
    const { database, hostId, run, leaseTtlMs } = this.#options;
    // After an outage every heartbeat is old, also those of daemons that are alive.
    const mayExpire = performance.now() - database.availableSinceMs >= leaseTtlMs;
    const values = [toText(job), at, toText(hostId), run, leaseTtlMs, mayExpire];
    const [row] = await database.query<{ was_taken: boolean }>(takeSql, values);
    if (row === undefined) return this.#refused(job, at);
    const key = { ...this.#options, job: toText(job), at };
    const slot = new TakenSlot(key, row.was_taken, () => this.#taken.delete(slot));
    this.#taken.add(slot);
    return { state: "taken", slot };
  }

  /** Shows no more signs of life. */
  close(): void {
    for (const slot of this.#taken) slot.stop();
  }

  async #refused(job: string, at: Micros): Promise<SlotAnswer> {
    const { database, leaseTtlMs } = this.#options;
    const [state] = await database.query<{ has_ended: boolean; early_ms: number }>(stateSql, [
      toText(job),
      at,
    ]);
    if (state?.has_ended) return { state: "ended" };
    const waitMs = Math.max(leaseTtlMs / beatsPerTtl, state?.early_ms ?? 0);
    return { state: "busy", askAgainMs: Math.min(Math.max(waitMs, soonestAskMs), latestAskMs) };
  }
}

interface SlotKey extends PostgresSlotsOptions {
  job: string;
  at: Micros;
}

class TakenSlot implements Slot {
  readonly wasBegun: boolean;
  readonly #key: SlotKey;
  readonly #lost = new AbortController();
  readonly #onOver: () => void;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(key: SlotKey, wasBegun: boolean, onOver: () => void) {
    this.#key = key;
    this.wasBegun = wasBegun;
    this.#onOver = onOver;
    this.#timer = setInterval(() => void this.#beat(), key.leaseTtlMs / beatsPerTtl).unref();
    // At once when the database is back: the others wait for that.
    this.#unsubscribe = key.database.onConnected(() => void this.#beat());
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async end(): Promise<void> {
    this.stop();
    await this.#key.database.query(endSql, this.#values);
    await this.#key.database.query(trimSql);
  }

  async leave(): Promise<void> {
    this.stop();
    await this.#key.database.query(leaveSql, this.#values);
  }

  stop(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#onOver();
  }

  get #values() {
    const { job, at, hostId, run } = this.#key;
    return [job, at, toText(hostId), run];
  }

  async #beat(): Promise<void> {
    if (this.#isOver || !this.#key.database.available) return;
    try {
      const rows = await this.#key.database.query(beatSql, this.#values);
      if (rows.length > 0 || this.#isOver) return;
    } catch {
      // The next one may be answered. If none is, another daemon takes the slot.
      return;
    }
    this.stop();
    this.#lost.abort(
      new Error("another daemon has taken this run over, as this one was silent for too long"),
    );
  }
}

const slotTime = "timestamptz 'epoch' + $2::bigint * interval '1 microsecond'";

/** One that was left has a heartbeat of long ago. A daemon may go on with what an earlier run of it began. */
const takeSql = `
  insert into sessiond.slots as s (job, slot, owner, run, heartbeat)
  select $1, ${slotTime}, $3, $4::uuid, clock_timestamp() where ${slotTime} <= clock_timestamp()
  on conflict (job, slot) do update
    set owner = excluded.owner, run = excluded.run, heartbeat = excluded.heartbeat
    where s.ended is null and (s.owner = excluded.owner or s.heartbeat = '-infinity' or ($6::boolean
      and s.heartbeat < clock_timestamp() - $5::bigint * interval '1 millisecond'
      and pg_postmaster_start_time() < clock_timestamp() - $5::bigint * interval '1 millisecond'))
  returning xmax <> 0 as was_taken`;

const stateSql = `
  select s.ended is not null as has_ended,
    greatest(0, extract(epoch from t.slot - clock_timestamp()) * 1000)::float8 as early_ms
  from (select ${slotTime} as slot) t left join sessiond.slots s on s.job = $1 and s.slot = t.slot`;

const isOurs = `job = $1 and slot = ${slotTime} and owner = $3 and run = $4::uuid and ended is null`;
const beatSql = `update sessiond.slots set heartbeat = clock_timestamp() where ${isOurs} returning job`;
const endSql = `update sessiond.slots set ended = clock_timestamp() where ${isOurs}`;
const leaveSql = `update sessiond.slots set heartbeat = '-infinity' where ${isOurs}`;
const trimSql = "delete from sessiond.slots where ended < clock_timestamp() - interval '7 days'";
