/**
 * A database that is away, comes back, moves to another server, or is not safe; and answers that are lost.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Database } from "../../../../src/store/postgres/connection/database.ts";
import { eventually } from "../../../support/eventually.ts";
import { Cluster, freePort, testCluster, testStandby, urlOf } from "../../../support/postgres/cluster.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { testPgBouncer } from "../../../support/postgres/pgbouncer.ts";
import { testProxy } from "../../../support/postgres/proxy.ts";
import { failure, opened } from "./opened.ts";

const away = { code: "storage_unavailable", outcome: "not_applied", retryAfterMs: 1000 };
const unknown = { code: "storage_unavailable", outcome: "unknown" };

describe.skipIf(withoutPostgres())("a server of the file's own", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create();
    await cluster.query("create table t (a int)");
  });
  afterAll(() => cluster?.remove());

  const count = async (database: Database, a: number) =>
    (await database.query<{ n: number }>("select count(*)::int as n from t where a = $1", [a]))[0]?.n;

  /** A server that the test may stop: it runs again for the next one. */
  const stopped = async (how: "fast" | "immediate" = "fast") => {
    await cluster.stop(how);
    onTestFinished(async () => {
      if (!cluster.running) await cluster.start();
    });
  };

  test("away and back: calls fail at once, health says since when, and it goes on by itself", async () => {
    const database = await opened(urlOf(cluster, "postgres"));
    let connected = 0;
    database.onConnected(() => connected++);
    expect([connected, database.health()]).toEqual([1, []]);
    const before = database.availableSinceMs;
    await stopped();
    await eventually(() => expect(database.available).toBe(false));
    await expect(database.query("select 1")).rejects.toMatchObject(away);
    await expect(database.transaction(async () => 1)).rejects.toMatchObject(away);
    expect(database.health()).toMatchObject([
      { code: "storage_unavailable", message: expect.stringMatching(/away since \d{4}-.*Z: /) },
    ]);
    expect(database.availableSinceMs).toBe(Number.POSITIVE_INFINITY);
    const back = database.whenAvailable();
    await cluster.start();
    await back;
    await database.query("insert into t values (1)");
    expect([connected, database.health(), await count(database, 1)]).toEqual([2, [], 1]);
    expect(database.availableSinceMs).toBeGreaterThan(before);
  });

  test("away at the start: it opens, and is there when the server is", async () => {
    await stopped("immediate");
    const database = await opened(urlOf(cluster, "postgres"));
    expect([database.available, database.facts().durable]).toEqual([false, "unknown"]);
    await expect(database.query("select 1")).rejects.toMatchObject(away);
    await cluster.start();
    await database.whenAvailable(AbortSignal.timeout(10_000));
    expect(await database.query("select 1 as a")).toEqual([{ a: 1 }]);
  });

  test("whoever waits can stop waiting", async () => {
    const port = await freePort();
    const database = await opened(`postgres://u@127.0.0.1:${port}/x`);
    const waiting = database.whenAvailable(AbortSignal.timeout(20));
    await expect(waiting).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("a server that is killed: a statement under way fails, and it goes on after the recovery", async () => {
    const database = await opened(urlOf(cluster, "postgres"));
    const reading = failure(database.query("select pg_sleep(60)"));
    const writing = failure(database.query("insert into t select 2 from pg_sleep(60)"));
    const inside = failure(
      database.transaction(async (tx) => {
        await tx.query("insert into t values (2)");
        await tx.query("select pg_sleep(60)");
      }),
    );
    await eventually(async () => {
      const [row] = await cluster.query(
        "select count(*)::int as n from pg_stat_activity where query ~ 'sleep.60'",
      );
      // This query itself is one of them.
      expect(row?.n).toBe(4);
    });
    await cluster.kill();
    expect(await reading).toMatchObject(away);
    expect(await writing).toMatchObject(unknown);
    // No commit was sent.
    expect(await inside).toMatchObject(away);
    await cluster.start();
    await database.whenAvailable();
    expect(await count(database, 2)).toBe(0);
  });

  test("a connection that is killed is no outage", async () => {
    const database = await opened(urlOf(cluster, "postgres"));
    let connected = 0;
    database.onConnected(() => connected++);
    for (let round = 0; round < 5; round++) {
      await cluster.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sessiond'",
      );
      await eventually(() => database.query("select 1"));
    }
    await eventually(() => expect(database.health()).toEqual([]));
    expect(connected).toBe(1);
  });

  test("a reply that is lost leaves a commit unknown, and a read not", async () => {
    const proxy = await testProxy(cluster);
    const database = await opened(urlOf(proxy, "postgres"));
    const lost = [
      ["insert into t values (31)", () => database.query("insert into t values (31)")],
      ["commit\0", () => database.transaction((tx) => tx.query("insert into t values (32)"))],
      ["select 33", () => database.query("select 33")],
      ["values (34)", () => database.transaction((tx) => tx.query("insert into t values (34)"))],
    ] as const;
    const outcomes: unknown[] = [];
    for (const [text, act] of lost) {
      await database.whenAvailable();
      // The answer to a statement in a transaction does not say that the server is idle: there it is cut.
      if (text === "values (34)") {
        const acting = failure(
          database.transaction(async (tx) => {
            await tx.query("insert into t values (34)");
            proxy.cut();
            await tx.query("select 1");
          }),
        );
        outcomes.push(await acting);
        continue;
      }
      const loss = proxy.loseReply(text);
      const acting = failure(act());
      await loss;
      outcomes.push(await acting);
    }
    expect(outcomes).toMatchObject([unknown, unknown, away, away]);
    await database.whenAvailable();
    expect(await Promise.all([31, 32, 34].map((a) => count(database, a)))).toEqual([1, 1, 0]);
  });

  test("a server that hangs is given up after a time, and used when it answers again", async () => {
    const database = await opened(urlOf(cluster, "postgres"));
    await database.query("insert into t values (4)");
    cluster.freeze();
    onTestFinished(() => cluster.thaw());
    const began = performance.now();
    const writing = failure(database.query("insert into t values (4)"));
    expect(await writing).toMatchObject(unknown);
    // A heartbeat is due after 1/5 of 2 s, and its answer within 2/5.
    expect(performance.now() - began).toBeLessThan(2000);
    await expect(database.query("select 1")).rejects.toMatchObject(away);
    cluster.thaw();
    await database.whenAvailable();
    expect(await database.query("select 1 as a")).toEqual([{ a: 1 }]);
  });

  test("settings that lose changes are refused at the start, and stop changes later", async () => {
    const url = urlOf(cluster, "postgres");
    const database = await opened(url);
    onTestFinished(() => cluster.configure({ fsync: "on", synchronous_commit: "on" }));
    for (const setting of ["fsync", "synchronous_commit"]) {
      await cluster.configure({ [setting]: "off" });
      await eventually(() => expect(database.available).toBe(false));
      await expect(database.query("insert into t values (5)")).rejects.toMatchObject({
        ...away,
        message: expect.stringContaining(`set ${setting} = on`),
      });
      expect(await database.query("select 1 as a")).toEqual([{ a: 1 }]);
      expect(database.health()).toMatchObject([
        { code: "storage_unsafe", message: expect.stringContaining(setting) },
      ]);
      expect(await failure(opened(url))).toMatchObject({
        code: "storage_unsafe",
        message: expect.stringContaining(`set ${setting} = on`),
      });
      const trusting = await opened(url, { durability: "trust" });
      await trusting.query("insert into t values (6)");
      await cluster.configure({ [setting]: "on" });
      await database.whenAvailable();
      await database.query("insert into t values (5)");
    }
    expect(database.health()).toEqual([]);
  });

  test("a setting of the role counts", async () => {
    await cluster.query("create role careless login superuser");
    const url = urlOf(cluster, "postgres").replace("user=postgres", "user=careless");
    await cluster.query("alter role careless set synchronous_commit = off");
    expect(await failure(opened(url))).toMatchObject({ code: "storage_unsafe" });
    await cluster.query("alter role careless reset all");
    await cluster.query("alter role careless set default_transaction_isolation = 'serializable'");
    expect(await failure(opened(url))).toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("default_transaction_isolation is serializable"),
    });
    await cluster.query("alter role careless reset all");
    expect((await opened(url)).facts()).toMatchObject({ durable: "node", available: true });
  });

  test("too many connections: those that there are do the work", async () => {
    await cluster.query("create role few login connection limit 3");
    await cluster.query("grant insert, select on t to few");
    const url = urlOf(cluster, "postgres").replace("user=postgres", "user=few");
    const database = await opened(url);
    await database.query("select 1");
    await Promise.all(
      Array.from({ length: 20 }, () => database.query("insert into t select 7 from pg_sleep(0.01)")),
    );
    expect(await count(database, 7)).toBe(20);
    expect(database.health()).toEqual([]);
  });

  test("PgBouncer is restarted: it goes on by itself", async () => {
    const bouncer = await testPgBouncer(cluster);
    const database = await opened(urlOf(bouncer, "postgres"));
    await database.query("insert into t values (8)");
    await bouncer.stop();
    await eventually(() => expect(database.available).toBe(false));
    await expect(database.query("select 1")).rejects.toMatchObject(away);
  });
});

describe.skipIf(withoutPostgres())("several servers", () => {
  const both = (...clusters: Cluster[]) =>
    `postgres://postgres@${clusters.map(({ port }) => `127.0.0.1:${port}`).join(",")}/postgres`;

  test("the primary is used, the next one after a failover, and never an old one that comes back", async () => {
    const first = await testCluster({ settings: { synchronous_standby_names: "" } });
    await first.query("create table t (a int)");
    const second = await testStandby(first, "second");
    const database = await opened(both(second, first));
    await database.query("insert into t values (1)");
    expect(database.facts()).toMatchObject({ durable: "node" });
    await eventually(async () => expect(await second.query("select a from t")).toEqual([{ a: 1 }]));

    await first.kill();
    await eventually(() => expect(database.available).toBe(false));
    await second.promote();
    await database.whenAvailable();
    await database.query("insert into t values (2)");
    await first.start();
    expect(await (await opened(both(first, second))).query("select a from t order by a")).toEqual([
      { a: 1 },
      { a: 2 },
    ]);
    await second.stop();
    await eventually(() => expect(database.available).toBe(false));
    await eventually(() =>
      expect(database.health()[0]?.message).toContain("it is an old primary, on timeline 1"),
    );
    expect(await failure(database.query("insert into t values (3)"))).toMatchObject(away);
  });

  test("a commit waits for its standby; when somebody ends the wait, nobody is told that it is safe", async () => {
    const settings = { synchronous_standby_names: "" };
    const primary = await testCluster({ settings });
    await primary.query("create table t (a int)");
    await primary.configure({ synchronous_standby_names: "nobody" });
    const database = await opened(both(primary));
    expect(database.facts()).toMatchObject({ durable: "quorum" });
    const waiting = failure(database.query("insert into t values (1)"));
    const pid = await eventually(async () => {
      const [row] = await primary.query("select pid from pg_stat_activity where wait_event = 'SyncRep'");
      return row?.pid ?? Promise.reject(new Error("nobody waits yet"));
    });
    // Reads go on, and the heartbeat keeps the database available.
    expect(await database.query("select count(*)::int as n from t")).toEqual([{ n: 0 }]);
    expect(database.available).toBe(true);
    await primary.query("select pg_cancel_backend($1)", [pid]);
    expect(await waiting).toMatchObject(unknown);
    const cut = failure(database.transaction((tx) => tx.query("insert into t values (2)")));
    const other = await eventually(async () => {
      const [row] = await primary.query("select pid from pg_stat_activity where wait_event = 'SyncRep'");
      return row?.pid ?? Promise.reject(new Error("nobody waits yet"));
    });
    await primary.query("select pg_terminate_backend($1)", [other]);
    expect(await cut).toMatchObject(unknown);
    await primary.configure(settings);
    await eventually(() => expect(database.facts()).toMatchObject({ durable: "node" }));
  });
});
