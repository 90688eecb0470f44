/** Cuts the power of a PostgreSQL under a daemon: what was acknowledged is there after its recovery. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Reporters } from "../postgres/reporters.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { Cluster, urlOf } from "../support/postgres/cluster.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { postgresObstacle, runs, signal } from "../support/postgres/programs.ts";
import { cutDisk, obstacle } from "./cut-disk.ts";

const why = postgresObstacle() ?? obstacle("ext4");
const rounds = 4;

interface Outcome {
  acknowledged: number;
  lost: number;
}

async function cutPower(settings: Record<string, string>, durability: "check" | "trust"): Promise<Outcome> {
  const disk = await cutDisk("ext4");
  const small = { max_wal_size: "96MB", min_wal_size: "32MB", ...settings };
  // The server is not root.
  chmodSync(dirname(disk.path), 0o755);
  const directory = join(disk.path, "postgres");
  mkdirSync(directory);
  const cluster = await Cluster.create({ directory, settings: small });
  onTestFinished(() => cluster.remove());
  const { name } = await createDatabase(cluster);
  const { client } = await startDaemon({ storage: { postgres: urlOf(cluster, name), durability } });
  const reporters = new Reporters({ client });
  await reporters.start();
  // What was there before the first cut is on the disk.
  expect(spawnSync("sync", ["--file-system", directory]).status).toBe(0);
  let lost = 0;
  for (let round = 0; round < rounds; round++) {
    const before = reporters.acknowledged.length;
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(before + 1000));
    await disk.cut(
      cluster.processes().map((pid) => ({
        pid,
        kill: (name) => signal(pid, name),
        exited: eventually(() => expect(runs(pid)).toBe(false)).then(() => ({
          code: null,
          signal: "SIGKILL",
        })),
        stdout: () => "",
        stderr: () => "",
      })),
    );
    const told = reporters.acknowledged.length;
    await cluster.start();
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(told));
    lost = await reporters.lost();
  }
  await reporters.stop();
  if (lost === 0) await reporters.expectKept();
  return { acknowledged: reporters.acknowledged.length, lost };
}

const named = (name: string) => (why === undefined ? name : `${name} (${why})`);

test.skipIf(why !== undefined)(named("cuts of power lose nothing that was acknowledged"), async () => {
  const { acknowledged, lost } = await cutPower({}, "check");
  expect(lost).toBe(0);
  expect(acknowledged).toBeGreaterThan(rounds * 1000);
});

test.skipIf(why !== undefined)(
  named("with synchronous_commit=off they lose reports: the check can tell"),
  async () => {
    const { lost } = await cutPower({ synchronous_commit: "off" }, "trust");
    expect(lost).toBeGreaterThan(0);
  },
);
