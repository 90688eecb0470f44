/** The slots of jobs, over several daemons, against a real database. */
import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../src/log.ts";
import { openDatabase } from "../../../src/store/postgres/connection/open-database.ts";
import { migrate } from "../../../src/store/postgres/schema/migrate.ts";
import { PostgresSlots } from "../../../src/store/postgres/slots.ts";
import type { Slot } from "../../../src/store/session-store.ts";
import { microsPerMs } from "../../../src/time/clock.ts";
import { eventually } from "../../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../../support/postgres/database.ts";

const minute = 60_000 * microsPerMs;

async function open(leaseTtlMs = 1000) {
  const { url, query } = await testDatabase();
  const storage = { url, leaseTtlMs, durability: "trust" } as const;
  const database = await openDatabase(storage, { logger: silentLogger });
  onTestFinished(() => database.close());
  await migrate(database);
  const daemon = (hostId: string) => {
    const slots = new PostgresSlots({ database, hostId, run: randomUUID(), leaseTtlMs });
    onTestFinished(() => slots.close());
    return slots;
  };
  const at = Math.floor(database.clock.now() / minute) * minute;
  return { database, query, daemon, at };
}

async function taken(slots: PostgresSlots, at: number): Promise<Slot> {
  const answer = await slots.take("failed", at);
  if (answer.state !== "taken") throw new Error(`the slot is ${answer.state}`);
  return answer.slot;
}

describe.skipIf(withoutPostgres())("slots in PostgreSQL", () => {
  test("of sixty that want one at once, one has it, and the end is for all", async () => {
    const { daemon, at } = await open();
    const daemons = Array.from({ length: 60 }, (_, n) => daemon(`host-${n}`));
    const answers = await Promise.all(daemons.map((slots) => slots.take("failed", at)));
    const won = answers.flatMap((answer) => (answer.state === "taken" ? [answer.slot] : []));
    expect(won).toHaveLength(1);
    expect(answers.filter(({ state }) => state === "busy")).toHaveLength(59);
    expect(won[0]?.wasBegun).toBe(false);
    await won[0]?.end();
    for (const slots of daemons) expect(await slots.take("failed", at)).toEqual({ state: "ended" });
    expect((await daemons[3]?.take("failed", at - minute))?.state).toBe("taken");
    expect((await daemons[4]?.take("expired", at))?.state).toBe("taken");
  });

  test("a daemon that shows no sign of life loses it, one that does keeps it", async () => {
    const { daemon, at } = await open();
    const [silent, alive, next] = [daemon("silent"), daemon("alive"), daemon("next")] as const;
    const lost = await taken(silent, at);
    const kept = await taken(alive, at - minute);
    silent.close();
    expect((await next.take("failed", at)).state).toBe("busy");
    await eventually(async () => expect((await taken(next, at)).wasBegun).toBe(true));
    expect((await next.take("failed", at - minute)).state).toBe("busy");
    // Whoever comes back ends nothing that is another's now.
    await lost.end();
    expect((await alive.take("failed", at)).state).toBe("busy");
    expect(kept.lost.aborted).toBe(false);
  });

  test("who lost it is told", async () => {
    const { daemon, at, query } = await open();
    const slot = await taken(daemon("a"), at);
    await query("update sessiond.slots set owner = 'b', run = gen_random_uuid()");
    await eventually(() => expect(slot.lost.aborted).toBe(true));
    expect(slot.lost.reason).toMatchObject({ message: expect.stringContaining("has taken this run over") });
  });

  test("one that was left, and that of an earlier run, can be taken at once", async () => {
    const { daemon, at } = await open(60_000);
    await (await taken(daemon("a"), at)).leave();
    expect((await taken(daemon("b"), at)).wasBegun).toBe(true);
    expect((await daemon("c").take("failed", at)).state).toBe("busy");
    expect((await taken(daemon("b"), at)).wasBegun).toBe(true);
  });

  test("none can be taken before its time", async () => {
    const { daemon, at, query } = await open();
    const answer = await daemon("a").take("failed", at + 60 * minute);
    expect(answer).toEqual({ state: "busy", askAgainMs: 5000 });
    expect(await query("select job from sessiond.slots")).toEqual([]);
  });

  test("those that ended long ago are forgotten", async () => {
    const { daemon, at, query } = await open();
    for (const days of [6, 8]) {
      await query(
        `insert into sessiond.slots values ('old', now() - $1::int * interval '1 day', 'a', null, now(),
          now() - $1::int * interval '1 day')`,
        [days],
      );
    }
    await (await taken(daemon("a"), at)).end();
    expect(await query("select job from sessiond.slots order by slot")).toHaveLength(2);
  });
});
