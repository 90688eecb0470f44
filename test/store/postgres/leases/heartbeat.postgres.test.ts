/** The row of a host and its heartbeat, against a real database. */
import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import type { SessiondError } from "../../../../src/error.ts";
import { silentLogger } from "../../../../src/log.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import { Heartbeat } from "../../../../src/store/postgres/leases/heartbeat.ts";
import { knownHosts, trimHosts } from "../../../../src/store/postgres/leases/hosts.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import { eventually } from "../../../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";

async function open() {
  const { url, query } = await testDatabase();
  const storage = { url, leaseTtlMs: 1000, durability: "trust" } as const;
  const database = await openDatabase(storage, { logger: silentLogger });
  onTestFinished(() => database.close());
  await migrate(database);
  const start = (hostId: string) => {
    const late: boolean[] = [];
    const superseded: SessiondError[] = [];
    const heartbeat = new Heartbeat({
      ...{ database, hostId, leaseTtlMs: 1000, logger: silentLogger },
      ...{ run: randomUUID(), hostname: "web1", version: "1.2.3" },
      onBeat: (isLate) => void late.push(isLate),
      onSuperseded: (error) => void superseded.push(error),
    });
    onTestFinished(() => heartbeat.close());
    heartbeat.begin();
    return { heartbeat, late, superseded };
  };
  return { database, query, start };
}

describe.skipIf(withoutPostgres())("the heartbeat of a host", () => {
  test("it begins after a break, and then goes on without one", async () => {
    const { start, database } = await open();
    const { heartbeat, late } = start("a");
    await eventually(() => expect(late.length).toBeGreaterThan(5));
    expect(late[0]).toBe(true);
    expect(heartbeat.steadyMs).toBeGreaterThan(0);
    expect(await knownHosts(database, "a")).toEqual([
      { host_id: "a", name: "web1", version: "1.2.3", silent_ms: expect.any(Number), lost: false },
    ]);
  });

  test("a later run takes the row, and the earlier one ends", async () => {
    const { start } = await open();
    const first = start("a");
    await eventually(() => expect(first.late).not.toEqual([]));
    const second = start("a");
    await eventually(() => expect(first.superseded).toHaveLength(1));
    const { length } = second.late;
    await eventually(() => expect(second.late.length).toBeGreaterThan(length + 2));
    expect(second.superseded).toEqual([]);
    expect(first.superseded).toHaveLength(1);
  });

  test("a row that somebody deleted is written again", async () => {
    const { start, query } = await open();
    const { late, superseded } = start("a");
    await eventually(() => expect(late).not.toEqual([]));
    await query("delete from sessiond.hosts");
    await eventually(async () => expect(await query("select host_id from sessiond.hosts")).toHaveLength(1));
    expect(superseded).toEqual([]);
  });

  test("a host that was not heard of for a day is forgotten, unless it has leases", async () => {
    const { start, query, database } = await open();
    const { late } = start("a");
    await eventually(() => expect(late).not.toEqual([]));
    await query(`insert into sessiond.hosts
      select id, gen_random_uuid(), id, now() - silence, 1000, '1' from (values
        ('young', interval '23 hours'), ('old', interval '25 hours'), ('leased', interval '25 hours')
      ) as x(id, silence)`);
    await query(`insert into sessiond.leases (epoch, sid, lease_id, session_id, shared, host_id, since_us)
      values (1, 1, 1, 's', false, 'leased', 0)`);
    await trimHosts(database, "a");
    expect((await knownHosts(database, "a")).map(({ host_id, lost }) => [host_id, lost])).toEqual([
      ["a", false],
      ["leased", true],
      ["young", true],
    ]);
  });
});
