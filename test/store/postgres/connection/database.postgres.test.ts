/** Statements, values, transactions, notifications and the clock, over a PostgreSQL that is well. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { eventually } from "../../../support/eventually.ts";
import { testCluster, urlOf } from "../../../support/postgres/cluster.ts";
import { sharedPostgres, testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";
import { testPgBouncer } from "../../../support/postgres/pgbouncer.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { failure, opened } from "./opened.ts";

describe.skipIf(withoutPostgres())("statements", () => {
  test("take and return what the other rooms send", async () => {
    const database = await opened((await testDatabase()).url);
    const bytes = Buffer.from([0, 255, 92, 10, 39]);
    const rows = await database.query(
      "select $1::bytea as bytes, $2::int8 as n, $3::text[] as words, $4::int8[] as numbers, $5::text as nothing",
      [bytes, Number.MAX_SAFE_INTEGER, ['a"\\,{}', null, ""], [1, 2], null],
    );
    expect(rows).toEqual([
      {
        bytes,
        n: Number.MAX_SAFE_INTEGER,
        words: ['a"\\,{}', null, ""],
        numbers: expect.anything(),
        nothing: null,
      },
    ]);
  });

  test("a mistake of ours is passed on, and not taken for an outage", async () => {
    const database = await opened((await testDatabase()).url);
    const pid = async () => (await database.query("select pg_backend_pid() as pid"))[0];
    const before = await pid();
    await expect(database.query("select nothing")).rejects.toMatchObject({ code: "42703" });
    await expect(database.query("select $1::int", ["x"])).rejects.toMatchObject({ code: "22P02" });
    expect(await pid()).toEqual(before);
    expect(database.available).toBe(true);
  });

  test("any number of callers share a few connections", async () => {
    const { url, name, query } = await testDatabase();
    const database = await opened(url);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => database.query<{ n: number }>("select $1::int as n", [n])),
    );
    expect(answers.map(([row]) => row?.n)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    const [row] = await query("select count(*)::int as n from pg_stat_activity where datname = $1", [name]);
    expect(row?.n).toBeLessThanOrEqual(14);
  });
});

describe.skipIf(withoutPostgres())("transactions", () => {
  test("keep all or nothing", async () => {
    const { url, query } = await testDatabase();
    await query("create table t (a int primary key)");
    const database = await opened(url);
    await database.transaction(async (tx) => {
      await tx.query("insert into t values (1)");
    });
    const thrown = new Error("no");
    const failing = database.transaction(async (tx) => {
      await tx.query("insert into t values (2)");
      throw thrown;
    });
    await expect(failing).rejects.toBe(thrown);
    const swallowed = database.transaction(async (tx) => {
      await tx.query("insert into t values (3)");
      await tx.query("insert into t values (3)").catch(() => {});
    });
    await expect(swallowed).rejects.toThrow("a statement of it had failed");
    expect(await query("select a from t")).toEqual([{ a: 1 }]);
  });

  test("begin with statements whose rows they get; one of these that fails ends them", async () => {
    const { url, query } = await testDatabase();
    await query("create table t (a int primary key)");
    const database = await opened(url);
    const opening = ["insert into t values (1), (2)", "select a, a::bigint as b from t order by a"];
    const rows = await database.transaction(async (_, opened) => opened, { opening });
    expect(rows).toEqual([
      [],
      [
        { a: 1, b: 1 },
        { a: 2, b: 2 },
      ],
    ]);
    const again = ["insert into t values (3)", "insert into t values (1)"];
    const use = vi.fn();
    const failing = database.transaction(use, { opening: again });
    await expect(failing).rejects.toThrow("duplicate key");
    expect(use).not.toHaveBeenCalled();
    await database.transaction((tx) => tx.query("insert into t values (4)"));
    expect(await query("select a from t order by a")).toEqual([{ a: 1 }, { a: 2 }, { a: 4 }]);
  });

  test("a snapshot sees one moment, and takes no change", async () => {
    const { url, query } = await testDatabase();
    await query("create table t as select 1 as a");
    const database = await opened(url);
    const seen = await database.transaction(
      async (tx) => {
        const before = await tx.query("select count(*)::int as n from t");
        await query("insert into t values (2)");
        return [before, await tx.query("select count(*)::int as n from t")];
      },
      { isolation: "snapshot" },
    );
    expect(seen).toEqual([[{ n: 1 }], [{ n: 1 }]]);
    const writing = database.transaction((tx) => tx.query("insert into t values (3)"), {
      isolation: "snapshot",
    });
    await expect(writing).rejects.toMatchObject({ code: "storage_unavailable", outcome: "not_applied" });
  });

  test("one that is in the way of another is run again", async () => {
    const { url, query } = await testDatabase();
    await query("create table t as select a, 0 as n from generate_series(1, 2) a");
    const database = await opened(url);
    let runs = 0;
    const both = [
      [1, 2],
      [2, 1],
    ].map(([first, second]) =>
      database.transaction(async (tx) => {
        runs++;
        await tx.query("update t set n = n + 1 where a = $1", [first as number]);
        await tx.query("select pg_sleep(0.2)");
        await tx.query("update t set n = n + 1 where a = $1", [second as number]);
      }),
    );
    await Promise.all(both);
    expect(runs).toBeGreaterThan(2);
    expect(await query("select n from t")).toEqual([{ n: 2 }, { n: 2 }]);
  });
});

test.skipIf(withoutPostgres())("notifications are hints, and there is one at the start", async () => {
  const { url, query, name } = await testDatabase();
  const database = await opened(url);
  let hints = 0;
  const stop = database.listen("sessiond", () => hints++);
  await eventually(() => expect(hints).toBe(1));
  await query("select pg_notify('sessiond', '')");
  await eventually(() => expect(hints).toBe(2));
  // Its connection is killed: one hint, as some may have been missed, and then it listens again.
  const listening = "query in ('listen sessiond', 'select') and datname = $1";
  const kill = `select pg_terminate_backend(pid) from pg_stat_activity where ${listening}`;
  await eventually(async () => expect((await query(kill, [name])).length).toBeGreaterThan(0));
  await eventually(() => expect(hints).toBe(3));
  await query("select pg_notify('sessiond', '')");
  await eventually(() => expect(hints).toBe(4));
  stop();
});

test.skipIf(withoutPostgres())("the clock is that of the database, and never stands still", async () => {
  const { url, query } = await testDatabase();
  const { clock } = await opened(url);
  const [first, second] = [clock.now(), clock.now()];
  expect(second).toBeGreaterThan(first);
  const before = clock.now();
  const [row] = await query("select (extract(epoch from clock_timestamp()) * 1e6)::float8 as us");
  expect(Number(row?.us)).toBeGreaterThan(before - 200_000);
  expect(Number(row?.us)).toBeLessThan(clock.now() + 200_000);
});

test.skipIf(withoutPostgres())("all of it works through PgBouncer in transaction mode", async () => {
  const { name, query } = await testDatabase();
  await query("create table t (a int)");
  const bouncer = await testPgBouncer(sharedPostgres(), { default_pool_size: 2 });
  const database = await opened(urlOf(bouncer, name));
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      database.transaction(async (tx) => {
        await tx.query("insert into t values ($1)", [n]);
        await tx.query("select a from t where a = $1", [n]);
      }),
    ),
  );
  expect(await database.query("select count(*)::int as n from t")).toEqual([{ n: 100 }]);
});

describe.skipIf(withoutPostgres())("passwords", () => {
  test("come from the URL, a pass file or a credential, and are in no message", async () => {
    const cluster = await testCluster();
    await cluster.query("create role worker login password 'old secret'");
    const hba = join(cluster.data, "pg_hba.conf");
    writeFileSync(hba, "local all postgres trust\nhost all worker all scram-sha-256\n");
    await cluster.query("select pg_reload_conf()");
    const place = `127.0.0.1:${cluster.port}`;
    const bare = `postgres://worker@${place}/postgres`;
    const directory = await tempDir();
    const passFile = join(directory, "pass");
    writeFileSync(passFile, `${place}:*:worker:old secret\n`, { mode: 0o600 });
    const open = writeFileSync.bind(undefined, join(directory, "open"), `*:*:*:*:old secret\n`);
    open({ mode: 0o644 });
    writeFileSync(join(directory, "postgres-password"), "old secret\n", { mode: 0o600 });

    const ways: [string, NodeJS.ProcessEnv][] = [
      [`postgres://worker:old%20secret@${place}/postgres`, {}],
      [`${bare}?passfile=${encodeURIComponent(passFile)}`, {}],
      [bare, { PGPASSFILE: passFile }],
      [bare, { CREDENTIALS_DIRECTORY: directory }],
    ];
    for (const [url, env] of ways) {
      const database = await opened(url, {}, { HOME: "/nonexistent", ...env });
      expect(await database.query("select current_user as me")).toEqual([{ me: "worker" }]);
      expect(JSON.stringify([database.facts(), database.health()])).not.toContain("secret");
    }

    const wrong: [string, NodeJS.ProcessEnv, string][] = [
      [`postgres://worker:bad%20secret@${place}/postgres`, {}, "password authentication failed"],
      [bare, { PGPASSFILE: join(directory, "open") }, "can be read by others"],
      [`${bare}?passfile=/nonexistent`, {}, "cannot read /nonexistent"],
      [bare, {}, 'asks for the password of "worker", and there is none'],
      [`postgres://worker:old%20secret@${place}/nowhere`, {}, "nowhere"],
    ];
    for (const [url, env, said] of wrong) {
      const error = await failure(opened(url, {}, { HOME: "/nonexistent", ...env }));
      expect(error, url).toMatchObject({ code: "invalid_request" });
      expect(error.message).toContain(said);
      expect(error.message).not.toContain("secret");
    }
  });
});
