/** What hosts that share a database are told of each other's changes, and when. */

import pg from "pg";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { testCluster, testStandby, urlOf } from "../../../support/postgres/cluster.ts";
import {
  createDatabase,
  sharedPostgres,
  type TestDatabase,
  withoutPostgres,
} from "../../../support/postgres/database.ts";
import { testPgBouncer } from "../../../support/postgres/pgbouncer.ts";
import { testProxy } from "../../../support/postgres/proxy.ts";
import { type Host, never, openHost } from "./hosts.ts";

/** One for all tests, because to create one takes long. */
let database: TestDatabase;

/** The database without sessions. */
async function emptied(): Promise<TestDatabase> {
  const tables = ["sessions", "documents", "journal", "changes", "batches", "leases", "past", "counts"];
  const known = await database.query(
    "select from information_schema.schemata where schema_name = 'sessiond'",
  );
  if (known.length > 0) {
    await database.query(`truncate ${tables.map((table) => `sessiond.${table}`).join(", ")}`);
  }
  return database;
}

async function openHosts(count: number, pollIntervalMs = never) {
  const { url, query, name } = await emptied();
  const hosts: Host[] = [];
  for (let n = 0; n < count; n++) hosts.push(await openHost({ url, pollIntervalMs }));
  return { hosts: hosts as [Host, Host, Host], url, query, name };
}

/** Ends the connections that listen: the last thing that they said is this, or that they are still there. */
const listening = `select pg_terminate_backend(pid) from pg_stat_activity
  where query in ('listen sessiond', 'select') and datname = $1`;

describe.skipIf(withoutPostgres())("what hosts tell of each other", () => {
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test("each change on one is told on all, as the same step", async () => {
    const { hosts } = await openHosts(3);
    const [a, b, c] = hosts;
    await a.create("s");
    await eventually(() => expect(b.told).toEqual(a.told));
    await b.edit("s", { labels: { team: "x" } });
    await eventually(() => expect(c.told).toEqual(b.told));
    await c.edit("s", { status: "paused", status_reason: "why" });
    await eventually(() => expect(a.told).toEqual(c.told));
    await a.edit("s", { pinned: true });
    await eventually(() => expect(b.told).toEqual(a.told));
    await b.trash("s");
    await eventually(() => expect(c.told).toEqual(b.told));
    await c.restore("s");
    await eventually(() => expect(a.told).toEqual(c.told));
    await a.purge("s");
    await eventually(() => expect(hosts.map(({ told }) => told.length)).toEqual([7, 7, 7]));
    for (const { told } of hosts) {
      expect(told).toEqual(a.told);
      expect(told.map(({ origin }) => origin)).toEqual(Array(7).fill("change"));
    }
    const [created, labelled, paused, pinned, trashed, restored, purged] = a.told;
    expect(created).toMatchObject({ before: undefined, after: { revision: 1 } });
    expect(labelled).toMatchObject({ before: created?.after, after: { revision: 2, labels: { team: "x" } } });
    expect(paused).toMatchObject({
      before: labelled?.after,
      after: { status: "paused", status_reason: "why" },
    });
    expect(pinned).toMatchObject({ before: paused?.after, after: { pinned: true } });
    expect(trashed).toEqual({
      ...{ session_id: "s", before: pinned?.after, after: undefined, origin: "change" },
      gone: { cause: "removed", restorable: true },
    });
    expect(restored).toMatchObject({ before: undefined, after: { pinned: true, labels: { team: "x" } } });
    expect(purged).toMatchObject({ before: restored?.after, gone: { restorable: false } });
  });

  test("reports of one host are told together on another, with exact counts", async () => {
    const { hosts } = await openHosts(2);
    const [a, b] = hosts;
    await a.create("s");
    await eventually(() => expect(b.told).toHaveLength(1));
    const files = Array.from({ length: 300 }, (_, n) => `f${n}`);
    await Promise.all(files.map((file) => a.report("s", file)));
    await eventually(() => expect(b.known.get("s")).toMatchObject({ processed_count: 300, revision: 301 }));
    expect(b.told.length).toBeLessThan(30);
    expect(new Set(b.told.slice(1).map(({ origin }) => origin))).toEqual(new Set(["report"]));
    while (a.feed.announceReports(1));
    expect(a.known.get("s")).toEqual(b.known.get("s"));
  });

  test("of a session that was not told before, the step begins where the session was", async () => {
    const { hosts, url } = await openHosts(1);
    const [a] = hosts;
    const before = await a.create("s");
    await a.create("t");
    await a.report("t", "early");
    const late = await openHost({ url });
    await a.report("s", "x");
    await a.report("s", "y");
    await a.edit("t", { pinned: true });
    await eventually(() => expect(late.known.size).toBe(2));
    await eventually(() => expect(late.known.get("s")).toMatchObject({ processed_count: 2 }));
    const [told] = late.told.filter(({ session_id }) => session_id === "s");
    expect({ ...told?.before, bytes: 0 }).toEqual({ ...before, bytes: 0 });
    const [labelled] = late.told.filter(({ session_id }) => session_id === "t");
    expect(labelled).toMatchObject({
      before: { revision: 2, pinned: false },
      after: { revision: 3, pinned: true },
    });
  });

  test("a change of this host, of a session that it knows nothing of, is told when it resolves", async () => {
    const { hosts, url } = await openHosts(1);
    const [a] = hosts;
    await a.create("s");
    const b = await openHost({ url });
    await b.report("s", "x");
    await b.feed.announce("s");
    expect(b.told).toMatchObject([{ before: { revision: 1 }, after: { revision: 2 }, origin: "report" }]);
    await b.edit("s", { pinned: true });
    expect(b.told).toMatchObject([{}, { before: { revision: 2 }, after: { revision: 3, pinned: true } }]);
  });

  test("hosts that all change the same sessions see one chain each, to the same end", async () => {
    const { hosts, query } = await openHosts(3, 200);
    const ids = ["a", "b", "c"];
    for (const id of ids) await hosts[0].create(id);
    const work = hosts.map(async (host, n) => {
      for (let round = 0; round < 25; round++) {
        const id = ids[(round + n) % 3] as string;
        await host.report(id, `${n}-${round}`).catch(() => {});
        if (round % 5 === n) await host.edit(id, { labels: { at: `${n}-${round}` } }).catch(() => {});
        if (round % 12 === 4 + n) await host.purge(id).catch(() => {});
        if (round % 12 === 8 + n) await host.create(id).catch(() => {});
      }
    });
    await Promise.all(work);
    const rows = await query("select id, revision from sessiond.sessions order by id");
    await eventually(() => {
      for (const { feed, known } of hosts) {
        while (feed.announceReports(10));
        expect(
          Array.from(known.values(), ({ session_id, revision }) => ({
            id: session_id,
            revision: `${revision}`,
          })).sort((x, y) => (x.id < y.id ? -1 : 1)),
        ).toEqual(rows);
      }
    });
  }, 30_000);

  test("what commits late is told, once, and a transaction of others that lasts holds nothing up", async () => {
    const { hosts, url } = await openHosts(2, 50);
    const [a, b] = hosts;
    const long = new pg.Client(url);
    const late = new pg.Client(url);
    await long.connect();
    await late.connect();
    onTestFinished(() => Promise.all([long.end(), late.end()]).then(() => {}));
    await long.query("begin; create table public.other (n int); insert into public.other values (1)");
    await a.create("s");
    await a.create("t");
    await eventually(() => expect(b.told).toHaveLength(2));
    await late.query("begin");
    const [row] = (await late.query("select sid from sessiond.sessions where id = 's' for update")).rows;
    await late.query(
      `with s as (update sessiond.sessions set seq = seq + 1, status = 'paused' where sid = $1 returning *)
       insert into sessiond.changes (sid, id, seq, kind, origin, op, before)
       select sid, id, seq, 'f', gen_random_uuid(), gen_random_uuid(), null from s`,
      [row.sid],
    );
    for (let n = 0; n < 3; n++) {
      await a.edit("t", { labels: { n: `${n}` } });
      await eventually(() => expect(b.known.get("t")?.labels).toEqual({ n: `${n}` }));
    }
    expect(b.told).toHaveLength(5);
    await late.query("commit");
    await eventually(() => expect(b.known.get("s")?.status).toBe("paused"));
    await eventually(() => expect(a.known.get("s")?.status).toBe("paused"));
    await a.edit("t", { labels: { n: "last" } });
    await eventually(() => expect(b.known.get("t")?.labels).toEqual({ n: "last" }));
    expect(b.told).toHaveLength(7);
    await long.query("rollback");
  });

  test("without notifications a change comes within the poll interval", async () => {
    const { url } = await emptied();
    const bouncer = await testPgBouncer(sharedPostgres());
    const through = urlOf(bouncer, new URL(url).pathname.slice(1));
    const a = await openHost({ url: through });
    const b = await openHost({ url: through, pollIntervalMs: 300 });
    const direct = await openHost({ url: through, listenUrl: url });
    // The first look may be that of a listener that has just connected.
    for (let n = 1; n <= 3; n++) {
      await a.create(`s${n}`);
      await eventually(() => expect(b.told).toHaveLength(n));
      await eventually(() => expect(direct.told).toHaveLength(n));
    }
  });

  test("a listening connection that is killed costs the poll interval, and comes back", async () => {
    const { hosts, query, url, name } = await openHosts(1);
    const [a] = hosts;
    const b = await openHost({ url, pollIntervalMs: 400 });
    for (let n = 0; n < 3; n++) {
      // It comes back a moment after it was killed.
      await eventually(async () => expect((await query(listening, [name])).length).toBeGreaterThan(0));
      await a.create(`s${n}`);
      await eventually(() => expect(b.told).toHaveLength(n + 1));
    }
    const c = await openHost({ url });
    await query(listening, [name]);
    const { length } = c.told;
    await eventually(async () => {
      await a.create(`again-${performance.now()}`);
      expect(c.told.length).toBeGreaterThan(length);
    });
  });

  test("who was away for longer than changes are kept is told so, and then of what follows", async () => {
    const { url, query, name } = await emptied();
    const proxy = await testProxy(sharedPostgres());
    const kept = { keptMs: 1200, pollIntervalMs: 50 };
    const a = await openHost({ url, ...kept });
    const b = await openHost({ url: urlOf(proxy, name), ...kept });
    await a.create("s");
    await eventually(() => expect(b.told).toHaveLength(1));
    expect(b.gaps).toBe(0);
    proxy.refuse(true);
    proxy.cut();
    await a.edit("s", { labels: { missed: "1" } });
    await eventually(async () => {
      const rows = "select (select count(*) from sessiond.changes)::int as n";
      expect(await query(rows)).toEqual([{ n: 0 }]);
    });
    proxy.refuse(false);
    await eventually(() => expect(b.gaps).toBe(1));
    expect(b.told).toHaveLength(1);
    b.told.length = 0;
    await a.edit("s", { labels: { missed: "no" } });
    await eventually(() =>
      expect(b.told).toMatchObject([
        { before: { labels: { missed: "1" } }, after: { labels: { missed: "no" } } },
      ]),
    );
    expect(a.gaps).toBe(0);
  });

  test("after a failover that lost changes, listeners look again, and hear of what takes their place", async () => {
    const first = await testCluster({ settings: { synchronous_standby_names: "" } });
    const second = await testStandby(first, "second");
    const url = `postgres://postgres@localhost:${first.port},localhost:${second.port}/postgres`;
    const a = await openHost({ url, pollIntervalMs: 50 });
    const b = await openHost({ url, pollIntervalMs: 50 });
    await a.create("s");
    await eventually(async () => {
      expect(await second.query("select id from sessiond.sessions")).toEqual([{ id: "s" }]);
    });
    await second.stop();
    await a.edit("s", { labels: { lost: "yes" } });
    await eventually(() => expect(b.known.get("s")?.labels).toEqual({ lost: "yes" }));
    await first.kill();
    await second.start();
    await second.promote();
    await eventually(() => expect([a.gaps, b.gaps]).toEqual([1, 1]));
    b.told.length = 0;
    await a.edit("s", { labels: { lost: "no" } });
    await eventually(() =>
      expect(b.told).toMatchObject([{ before: { labels: {} }, after: { labels: { lost: "no" } } }]),
    );
  }, 60_000);
});
