/** What the other tests stand on: servers, standbys, PgBouncer and proxies do what their names say. */
import pg from "pg";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Address, testCluster, testStandby } from "../support/postgres/cluster.ts";
import { sharedPostgres, testDatabase, withoutPostgres } from "../support/postgres/database.ts";
import { testPgBouncer } from "../support/postgres/pgbouncer.ts";
import { testProxy } from "../support/postgres/proxy.ts";

async function connected(address: Address, database = "postgres"): Promise<pg.Client> {
  const client = new pg.Client({ host: address.host, port: address.port, user: "postgres", database });
  client.on("error", () => {});
  await client.connect();
  return client;
}

describe.skipIf(withoutPostgres())("PostgreSQL for tests", () => {
  test("a database of the shared server is empty, and orders text as a language does", async () => {
    const database = await testDatabase();
    expect(
      await database.query("select count(*)::int as n from pg_tables where schemaname = 'public'"),
    ).toEqual([{ n: 0 }]);
    expect((await database.query("select 'a' < 'B' as language"))[0]).toEqual({ language: true });
  });

  test("a server that is killed has what was committed; a frozen one answers when thawed", async () => {
    const cluster = await testCluster();
    await cluster.query("create table t as select 1 as a");
    await cluster.kill();
    await expect(cluster.query("select 1")).rejects.toThrow(/ENOENT|ECONNREFUSED/);
    await cluster.start();
    expect(await cluster.query("select a from t")).toEqual([{ a: 1 }]);

    const client = await connected(cluster);
    cluster.freeze();
    let answered = false;
    const answer = client.query("select 1").then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    cluster.thaw();
    await answer;
    await client.end();

    await cluster.configure({ synchronous_commit: "off" });
    expect(await cluster.query("show synchronous_commit")).toEqual([{ synchronous_commit: "off" }]);
    expect(cluster.log()).toContain("database system is ready to accept connections");
  });

  test("a synchronous standby has what was committed when the primary is killed", async () => {
    const primary = await testCluster();
    const standby = await testStandby(primary, "second");
    await primary.configure({ synchronous_standby_names: "ANY 1 (second)" });
    await eventually(async () =>
      expect(await primary.query("select sync_state from pg_stat_replication")).toEqual([
        { sync_state: "quorum" },
      ]),
    );
    await primary.query("create table t as select 1 as a");
    await primary.kill();
    await standby.promote();
    await standby.query("insert into t values (2)");
    expect(await standby.query("select a from t order by a")).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test("through PgBouncer a session of the server belongs to a transaction", async () => {
    const cluster = await testCluster();
    const client = await connected(await testPgBouncer(cluster, { default_pool_size: 1 }));
    const other = await connected(await testPgBouncer(cluster));
    await client.query("begin");
    await client.query("create table t as select 1 as a");
    await client.query("commit");
    expect((await other.query("select a from t")).rows).toEqual([{ a: 1 }]);
    await client.end();
    await other.end();
  });

  test("a proxy loses the reply to what was carried out", async () => {
    const database = await testDatabase();
    const proxy = await testProxy(sharedPostgres());
    const client = await connected(proxy, database.name);
    await client.query("create table t (a int)");
    const lost = proxy.loseReply("insert into t");
    await expect(client.query("insert into t values ($1)", [1])).rejects.toThrow();
    await lost;
    expect(await database.query("select a from t")).toEqual([{ a: 1 }]);
    expect(proxy.connections).toBe(0);

    const held = await connected(proxy, database.name);
    proxy.hold(true);
    let answered = false;
    const answer = held.query("select 1").then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    proxy.hold(false);
    await answer;

    proxy.refuse(true);
    proxy.cut();
    await expect(connected(proxy, database.name)).rejects.toThrow();
  });
});
