import { describe, expect, test } from "vitest";
import { type Status, statuses } from "../../../../src/session/session.ts";
import type { Queryable } from "../../../../src/store/postgres/connection/database.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { openedView } from "./opened-view.ts";

/** What the counters say, and what there is, in one statement and so at one moment. */
const compared = `
  select coalesce((select json_object_agg(status, n order by status) from (
      select status, sum(n) as n from sessiond.counts group by status having sum(n) <> 0) as counted)::text, '')
    as counters,
    coalesce((select json_object_agg(status, n order by status) from (
      select status, count(*) as n from sessiond.sessions where removed_us is null group by status) as seen)::text, '')
    as sessions`;

function insert(to: Queryable, name: string, status: Status): Promise<unknown> {
  return to.query(
    `insert into sessiond.sessions (seq, base_seq, frame_seq, revision, status, checkpoint_us, active_min,
      created_us, id, frame, facts, pinned, labels, search, processed, pending, bytes)
     values (1, 1, 1, 1, $2, 1, 1, 1, $1, '', '{}', false, '{}', '', 0, 0, 1)`,
    [name, status],
  );
}

const anyOf = <T>(choices: readonly T[]): T => choices[Math.floor(Math.random() * choices.length)] as T;

describe.skipIf(withoutPostgres())("the counters", () => {
  test("are exact at every moment, whatever several connections change at once", async () => {
    const { database, view } = await openedView();
    // Each connection has sessions of its own: only the counters are common to all.
    const changes: ((tx: Queryable, own: string, name: string) => Promise<unknown>)[] = [
      (tx, own, name) => insert(tx, `${own}-${name}`, anyOf(statuses)),
      (tx, own) => tx.query(`delete from sessiond.sessions where sid % 9 = 0 and id like '${own}-%'`),
      (tx, own) =>
        tx.query(`update sessiond.sessions set status = $1 where sid % 7 = 0 and id like '${own}-%'`, [
          anyOf(statuses),
        ]),
      (tx, own) =>
        tx.query(`update sessiond.sessions set removed_us = 1, trash_id = sid::text
          where removed_us is null and sid % 5 = ${anyOf([0, 1, 2])} and id like '${own}-%'`),
      (tx, own) =>
        tx.query(`update sessiond.sessions set removed_us = null, trash_id = null
          where sid % 4 = 1 and id like '${own}-%'`),
      (tx, own) =>
        tx.query(`update sessiond.sessions set status = 'failed', removed_us = 1
          where sid % 11 = 0 and id like '${own}-%'`),
      (tx) => tx.query("select sessiond.fold_counts()"),
    ];
    let running = 4;
    const change = async (own: string) => {
      for (let n = 0; n < 60; n++) {
        const isUndone = Math.random() < 0.2;
        const making = database.transaction(async (tx) => {
          for (let step = 0; step < 3; step++) await anyOf(changes)(tx, own, `${n}-${step}`);
          if (isUndone) throw new Error("undone");
        });
        await making.catch((error: Error) => {
          if (error.message !== "undone") throw error;
        });
        await insert(database, `${own}-${n}`, anyOf(statuses));
      }
      running--;
    };
    const compare = async () => {
      let looks = 0;
      for (; running > 0; looks++) {
        const [row] = await database.query<{ counters: string; sessions: string }>(compared);
        expect(row?.counters).toBe(row?.sessions);
      }
      return looks;
    };
    const [looks] = await Promise.all([compare(), ...["a", "b", "c", "d"].map(change)]);
    expect(looks).toBeGreaterThan(10);
    const { total } = await view.stats();
    const [row] = await database.query<{ n: number }>(
      "select count(*) as n from sessiond.sessions where removed_us is null",
    );
    expect(total).toBe(row?.n);
  });

  test("stay a few rows, and cost a report nothing", async () => {
    const { database, view } = await openedView();
    await database.transaction(async (tx) => {
      for (let n = 0; n < 3000; n++) await insert(tx, `s-${n}`, "running");
    });
    const [row] = await database.query<{ n: number }>("select count(*) as n from sessiond.counts");
    expect(row?.n).toBeLessThan(2500);
    expect(await view.stats()).toMatchObject({ total: 3000, running: 3000 });
    await database.query("select sessiond.fold_counts()");
    expect(await database.query("select status, n from sessiond.counts")).toEqual([
      { status: "running", n: 3000 },
    ]);
    const plan = await database.query<Record<"QUERY PLAN", string>>(
      `explain (analyze, costs off, timing off)
       update sessiond.sessions set seq = 2, revision = 2, processed = 1 where id = 's-1'`,
    );
    expect(plan.map((row) => row["QUERY PLAN"]).join("\n")).not.toContain("Trigger");
  });
});
