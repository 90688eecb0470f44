/** What PostgreSQL refuses, or carries out without being able to say so, as the users of a daemon see it. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { expectFull, fill, smallDisk } from "../e2e/small-disk.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { testCluster, urlOf } from "../support/postgres/cluster.ts";
import {
  createDatabase,
  sharedPostgres,
  testDatabase,
  withoutPostgres,
} from "../support/postgres/database.ts";
import { handOver } from "../support/postgres/programs.ts";
import { testProxy } from "../support/postgres/proxy.ts";

const config = { target_path: "/src" };
const canMount = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).error === undefined;

async function refuses(client: SessionClient): Promise<void> {
  await eventually(async () => {
    const report = client.reportProgress("s", { processed: ["never"] });
    await expect(report).rejects.toMatchObject({ code: "storage_unavailable", outcome: "not_applied" });
  });
  await eventually(async () => expect((await client.getHealth()).status).not.toBe("ok"));
}

async function accepts(client: SessionClient, file: string): Promise<void> {
  await eventually(() => client.reportProgress("s", { processed: [file] }));
  await eventually(async () => expect(await client.getHealth()).toEqual({ status: "ok", problems: [] }));
}

describe.skipIf(withoutPostgres())("PostgreSQL", () => {
  test("whose reply to a commit is lost: the change counts once, and its caller is told", async () => {
    const database = await testDatabase();
    const proxy = await testProxy(sharedPostgres());
    const { client } = await startDaemon({ storage: { postgres: urlOf(proxy, database.name) } });
    await client.createSession({ session_id: "s", config, pending_files: ["a", "b"] });
    const { revision } = await client.getSummary("s");

    const lostReport = proxy.loseReply("insert into sessiond.journal");
    const reply = await client.reportProgress("s", { processed: ["a"], results: { a: 1 } });
    await lostReport;
    expect(reply.revision).toBe(revision + 1);
    expect(await database.query("select kind, revision::int from sessiond.journal")).toEqual([
      { kind: "r", revision: revision + 1 },
    ]);

    // The end of the text is part of it: a transaction begins with "read committed".
    const lostPause = proxy.loseReply("commit\0");
    const paused = await client.pauseSession("s");
    await lostPause;
    expect(paused).toMatchObject({ status: "paused", revision: revision + 2 });
    expect(await client.getSession("s")).toMatchObject({
      status: "paused",
      revision: revision + 2,
      processed_files: ["a"],
      partial_results: { a: 1 },
    });
  });

  test("that has become read-only acknowledges nothing, and is used again when it takes writes", async () => {
    const cluster = await testCluster();
    const { name } = await createDatabase(cluster);
    const { client } = await startDaemon({ storage: { postgres: urlOf(cluster, name) } });
    await client.createSession({ session_id: "s", config });
    await cluster.configure({ default_transaction_read_only: "on" });
    await refuses(client);
    await cluster.configure({ default_transaction_read_only: "off" });
    await accepts(client, "a");
    expect((await client.getSession("s")).processed_files).toEqual(["a"]);
  });

  test("that has no connection left acknowledges nothing, and is used again when it has", async () => {
    const cluster = await testCluster();
    const { name } = await createDatabase(cluster);
    await cluster.query("create role app login");
    await cluster.query(`alter database ${name} owner to app`);
    const proxy = await testProxy(cluster);
    const url = urlOf(proxy, name).replace("user=postgres", "user=app");
    const { client } = await startDaemon({ storage: { postgres: url } });
    await client.createSession({ session_id: "s", config });
    await cluster.query("alter role app connection limit 0");
    proxy.cut();
    await refuses(client);
    expect(cluster.log()).toContain("too many connections");
    await cluster.query("alter role app connection limit -1");
    await accepts(client, "a");
    expect((await client.getSession("s")).processed_files).toEqual(["a"]);
  });

  test.skipIf(!canMount)(
    "whose disk is full refuses reports, serves reads, and goes on when there is room",
    async () => {
      const cluster = await testCluster();
      const disk = await smallDisk("32m");
      handOver(disk);
      await cluster.query(`create tablespace small location '${disk}'`);
      await cluster.query("create database crammed tablespace small template template0");
      const { client } = await startDaemon({ storage: { postgres: urlOf(cluster, "crammed") } });
      await client.createSession({ session_id: "s", config, pending_files: ["a", "b"] });
      await client.reportProgress("s", { processed: ["a"] });
      const filler = join(disk, "filler");
      fill(filler);
      const large = { processed: ["b"], results: { b: "x".repeat(200_000) } };
      await expectFull(client.reportProgress("s", large));
      expect((await client.getSession("s")).processed_files).toEqual(["a"]);
      rmSync(filler);
      await eventually(() => client.reportProgress("s", large));
      expect((await client.getSession("s")).processed_files).toEqual(["a", "b"]);
    },
  );
});
