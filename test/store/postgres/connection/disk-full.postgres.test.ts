/** A database whose disk is full. It needs root, for a small disk to put a table on. */
import { execFileSync } from "node:child_process";
import { chownSync, statSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { testCluster, urlOf } from "../../../support/postgres/cluster.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { failure, opened } from "./opened.ts";

test.skipIf(withoutPostgres() || process.getuid?.() !== 0)(
  "a full disk refuses changes, serves reads, and is no outage",
  async () => {
    const cluster = await testCluster();
    const disk = await tempDir();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
    onTestFinished(async () => {
      await cluster.remove();
      execFileSync("umount", [disk]);
    });
    const { uid, gid } = statSync(cluster.data);
    chownSync(disk, uid, gid);
    await cluster.query(`create tablespace small location '${disk}'`);
    await cluster.query("create table t (a text) tablespace small");
    await cluster.query("alter table t alter a set storage external");
    const database = await opened(urlOf(cluster, "postgres"));
    const insert = () =>
      database.query("insert into t select repeat('x', 100000) from generate_series(1, 100)");
    expect(await failure(insert())).toMatchObject({ code: "storage_full", outcome: "not_applied" });
    const inside = database.transaction((tx) =>
      tx.query("insert into t select repeat('x', 100000) from generate_series(1, 100)"),
    );
    expect(await failure(inside)).toMatchObject({ code: "storage_full", outcome: "not_applied" });
    expect(await database.query("select count(*)::int as n from t")).toEqual([{ n: 0 }]);
    expect(database.available).toBe(true);
    execFileSync("mount", ["-o", "remount,size=32m", disk]);
    await database.query("insert into t values ('y')");
  },
);
