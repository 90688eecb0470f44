import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { canMount } from "./capability.ts";
import { expectIndexEqualsDirectory, expectNothingStaged, readSessions } from "./directory.ts";

const config = { target_path: "/src" };
const kib = 1024;

async function smallDisk(): Promise<string> {
  const directory = await tempDir();
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", directory]);
  if (status !== 0) throw new Error(stderr.toString());
  onTestFinished(() => void spawnSync("umount", ["--lazy", directory]));
  return directory;
}

/** Leaves not one block free. */
function fill(file: string): void {
  const fd = openSync(file, "a");
  try {
    for (;;) writeSync(fd, Buffer.alloc(4 * kib, "x"));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  } finally {
    closeSync(fd);
  }
}

function documents(directory: string): string {
  return JSON.stringify([...readSessions(directory)], (_, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

async function expectFull(change: Promise<unknown>): Promise<void> {
  await expect(change).rejects.toMatchObject({ code: "storage_full", outcome: "not_applied" });
}

async function problemCodes(client: SessionClient): Promise<string[]> {
  return (await client.getHealth()).problems.map((problem) => problem.code);
}

test.skipIf(!canMount())(
  "a full disk refuses writes, harms nothing, and is over when there is room",
  async () => {
    const disk = await smallDisk();
    const dir = join(disk, "sessions");
    const ballast = join(disk, "ballast");
    const daemon = await startDaemon({ dir });
    const { client } = daemon;
    for (const id of ["small", "large", "old", "older"]) {
      const pending_files = id === "large" ? ["x".repeat(200 * kib), "last"] : ["first", "last"];
      await client.createSession({ session_id: id, config, pending_files });
    }
    await client.failSession("older");
    fill(ballast);
    expect(statfsSync(disk).bavail).toBe(0);

    const before = { files: documents(dir), list: await client.listSessions() };
    await expectFull(client.createSession({ session_id: "new", config }));
    await expectFull(client.reportProgress("small", { processed: ["first"] }));
    await expectFull(client.reportProgress("large", { processed: ["last"] }));
    await expectFull(client.pauseSession("small"));
    await expectFull(client.saveSession({ ...(await client.getSession("large")), pinned: true }));
    await expectFull(client.createBackup("small"));
    expect(await client.listSessions()).toEqual(before.list);
    expect(documents(dir)).toBe(before.files);
    expect((await client.getSession("large")).pending_files).toHaveLength(2);
    await expect(client.getSession("new")).rejects.toMatchObject({ code: "session_not_found" });
    expect(await client.getHealth()).toMatchObject({ status: "degraded" });
    expect(await problemCodes(client)).toContain("storage_full");
    expectNothingStaged(dir);

    // Making room needs no room: the trash, bringing back from it, deleting for good.
    await client.deleteSession("old");
    expect((await client.restoreTrash("old")).pending_count).toBe(2);
    await client.deleteSession("old");
    await expect(client.getSession("old")).rejects.toMatchObject({ code: "session_deleted" });
    // A pass that cannot keep its account stops, and says so.
    expect(await client.runCleanup("failed", { max_age: "0" })).toMatchObject({
      removed: 1,
      outcome: "stopped",
    });
    expect((await client.listTrash()).entries.map((entry) => entry.session_id).sort()).toEqual([
      "old",
      "older",
    ]);
    expect((await client.emptyTrash()).removed).toBe(2);
    await client.deleteSession("large", { purge: true });

    // A stranger took what was given free; then there is room.
    fill(ballast);
    await expectFull(client.createSession({ session_id: "new", config }));
    rmSync(ballast);
    await client.createSession({ session_id: "new", config });
    await client.reportProgress("small", { processed: ["first"] });
    expect(await problemCodes(client)).toEqual(["cleanup_failed"]);
    expect((await client.runCleanup("failed", { max_age: "0" })).outcome).toBe("done");
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    await eventually(() => expectIndexEqualsDirectory(client, dir));
    expectNothingStaged(dir);
  },
);

test.skipIf(!canMount())("a daemon that is restarted on a full disk serves what is there", async () => {
  const disk = await smallDisk();
  const dir = join(disk, "sessions");
  let daemon = await startDaemon({ dir });
  await daemon.client.createSession({ session_id: "a", config });
  fill(join(disk, "ballast"));
  await expectFull(daemon.client.createSession({ session_id: "b", config }));
  daemon.kill("SIGKILL");
  daemon = await daemon.restart();
  expect((await daemon.client.getSession("a")).session_id).toBe("a");
  await expectFull(daemon.client.createSession({ session_id: "b", config }));
  rmSync(join(disk, "ballast"));
  await daemon.client.createSession({ session_id: "b", config });
  expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
});

test.skipIf(!canMount())(
  "a daemon whose log is on the full disk goes on, and logs again when there is room",
  async () => {
    const disk = await smallDisk();
    const log = join(disk, "log");
    const wrap = ["bash", "-c", `exec "$0" "$@" 2>> ${log}`];
    const { client } = await startDaemon({ dir: join(disk, "sessions"), wrap });
    fill(join(disk, "ballast"));
    // Each is worth a line or more of the log, whose last block is full before long.
    for (let request = 0; request < 30; request++) {
      await expectFull(client.createSession({ session_id: "b", config }));
      expect(await client.reload()).toEqual({ applied: [], needs_restart: [] });
    }
    rmSync(join(disk, "ballast"));
    await client.createSession({ session_id: "last", config });
    await eventually(() => expect(readFileSync(log, "utf8")).toMatch(/createSession.*\n$/));
  },
);
