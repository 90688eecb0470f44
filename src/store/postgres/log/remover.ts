/**
 * Moves sessions to the trash: all that wait for it in one transaction, as a cleanup of many sessions needs.
 * A session whose row somebody else has locked is left to a transaction of its own.
 */
import { setImmediate } from "node:timers/promises";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";
import { summaryOf } from "../view/summary-row.ts";
import type { Changer, ChangerOptions } from "./changer.ts";
import { type LeaseRow, leaseColumns, leaseOf } from "./lease-row.ts";
import type { Removal, SessionLease } from "./log.ts";
import { operation } from "./operation.ts";
import { rowColumns, type SessionRow } from "./session-row.ts";
import type { Slot } from "./slot.ts";

/** The most sessions of one transaction. */
const most = 500;

interface Waiting {
  id: SessionId;
  slot: Slot;
  removal: Removal;
  resolve: (summary: SessionSummary) => void;
  reject: (error: unknown) => void;
}

/** What the transaction found, and did. */
type Outcome =
  | { row: SessionRow; summary: SessionSummary; isLeased: boolean }
  /** Why the session stays. */
  | { error: unknown };

export class Remover {
  readonly #options: ChangerOptions;
  readonly #changer: Changer;
  #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(options: ChangerOptions, changer: Changer) {
    this.#options = options;
    this.#changer = changer;
  }

  /** Nobody else works on the slot meanwhile. */
  remove(id: SessionId, slot: Slot, removal: Removal): Promise<SessionSummary> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, slot, removal, resolve, reject });
      if (!this.#isBusy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      // All that are removed in this turn of the event loop go together.
      await setImmediate();
      const batch = this.#waiting.splice(0, most);
      try {
        await this.#removeAll(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isBusy = false;
  }

  async #removeAll(batch: readonly Waiting[]): Promise<void> {
    const { database, origin, clock } = this.#options;
    const outcomes = await operation(database, async (tx, op) => {
      const outcomes = await lockAndCheck(tx, batch);
      await writeRemovals(tx, batch, outcomes, { op, origin, nowUs: clock.now() });
      return outcomes;
    });
    // At once: whoever is told may have to look, and looks for all of them together.
    for (const waiting of batch) {
      const outcome = outcomes.get(waiting.id);
      const done = outcome === undefined ? this.#alone(waiting) : this.#told(waiting, outcome);
      done.then(waiting.resolve, waiting.reject);
    }
  }

  async #told({ id, slot }: Waiting, outcome: Outcome): Promise<SessionSummary> {
    if ("error" in outcome) throw outcome.error;
    const { row, summary } = outcome;
    slot.copy = undefined;
    await this.#options.told.own({
      sid: row.sid,
      id,
      kind: "x",
      seqBefore: row.seq,
      before: summary,
      seqAfter: row.seq + 1,
      after: undefined,
      gone: { cause: "removed", restorable: true },
    });
    return summary;
  }

  /** Waits for whoever has locked the row, or says why there is none. */
  #alone({ id, slot, removal }: Waiting): Promise<SessionSummary> {
    return this.#changer.change(id, slot, "row", async (row) => {
      const { summary } = row;
      removal.check(summary, row.leases);
      await row.remove(removal);
      return summary;
    });
  }
}

async function lockAndCheck(tx: Queryable, batch: readonly Waiting[]): Promise<Map<SessionId, Outcome>> {
  const rows = await tx.query<SessionRow>(
    `select ${rowColumns} from sessiond.sessions where id = any ($1) and removed_us is null
     order by sid for no key update skip locked`,
    [batch.map(({ id }) => toText(id))],
  );
  const leases = new Map<number, Map<number, SessionLease>>();
  const sids = rows.map(({ sid }) => sid);
  for (const row of await tx.query<LeaseRow>(
    `select ${leaseColumns} from sessiond.leases where sid = any ($1::bigint[]) order by epoch`,
    [sids],
  )) {
    const known = leases.get(row.sid) ?? new Map<number, SessionLease>();
    leases.set(row.sid, known.set(row.epoch, leaseOf(row)));
  }
  const removals = new Map(batch.map(({ id, removal }) => [id, removal]));
  return new Map(
    rows.map((row): [SessionId, Outcome] => {
      const id = fromText(row.id) as SessionId;
      const summary = summaryOf(row);
      try {
        removals.get(id)?.check(summary, leases.get(row.sid) ?? new Map());
        return [id, { row, summary, isLeased: leases.has(row.sid) }];
      } catch (error) {
        return [id, { error }];
      }
    }),
  );
}

async function writeRemovals(
  tx: Queryable,
  batch: readonly Waiting[],
  outcomes: ReadonlyMap<SessionId, Outcome>,
  { op, origin, nowUs }: { op: string; origin: string; nowUs: number },
): Promise<void> {
  const removed = batch.flatMap(({ id, removal }) => {
    const outcome = outcomes.get(id);
    return outcome === undefined || "error" in outcome ? [] : [{ ...outcome, removal }];
  });
  if (removed.length === 0) return;
  const sids = removed.map(({ row }) => row.sid);
  await tx.query(
    `with written as (
       update sessiond.sessions s
       set seq = seq + 1, removed_us = $1, removed_reason = wanted.reason, trash_id = wanted.trash_id
       from unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) as wanted(sid, trash_id, reason, before)
       where s.sid = wanted.sid returning s.sid, s.id, s.seq, wanted.before
     )
     insert into sessiond.changes (sid, id, seq, kind, origin, op, before, detail)
     select sid, id, seq, 'x', $6, $7, convert_to(before, 'UTF8'), '{"restorable":true}' from written`,
    [
      nowUs,
      sids,
      removed.map(({ removal }) => toText(removal.trashId)),
      removed.map(({ removal }) => toText(removal.reason)),
      removed.map(({ summary }) => JSON.stringify(summary)),
      origin,
      op,
    ],
  );
  const leased = removed.filter(({ isLeased }) => isLeased).map(({ row }) => row.sid);
  if (leased.length > 0)
    await tx.query("delete from sessiond.leases where sid = any ($1::bigint[])", [leased]);
}
