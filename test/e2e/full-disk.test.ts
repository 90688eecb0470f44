import { readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { clientOf } from "../client/http/fake-daemon.ts";
import { startDaemonIn } from "../client/running-daemon.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { canMount } from "./capability.ts";
import { expectIndexEqualsDirectory, expectNothingStaged, readSessions } from "./directory.ts";
import { config, expectFull, fill, kib, longLag, smallDisk } from "./small-disk.ts";

function documents(directory: string): string {
  return JSON.stringify([...readSessions(directory)], (_, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

/**
 * Reports file after file, some at a time, and tells which were taken. Those that are refused must be for
 * want of room.
 */
async function report(client: SessionClient, id: string, prefix: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  const lane = async (lane: number) => {
    for (let number = lane; number < count; number += 8) {
      const file = `${prefix}-${number}`;
      const results = { [file]: "x".repeat(500) };
      const error = await client.reportProgress(id, { processed: [file], results }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (error === undefined) taken.push(file);
      else expect(error).toMatchObject({ code: "storage_full", outcome: "not_applied" });
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, number) => lane(number)));
  return taken;
}

async function expectProcessed(client: SessionClient, id: string, files: readonly string[]): Promise<void> {
  const { processed_files, partial_results } = await client.getSession(id);
  expect([...processed_files].sort()).toEqual([...files].sort());
  expect(Object.keys(partial_results).sort()).toEqual([...files].sort());
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
    const client = clientOf((await startDaemonIn(dir)).socketPath);
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

test.skipIf(!canMount())(
  "reports are taken again when there is room, and a kill then takes none of them",
  async () => {
    const disk = await smallDisk();
    let daemon = await startDaemon({ dir: join(disk, "sessions"), config: longLag });
    for (const session_id of ["a", "b"]) await daemon.client.createSession({ session_id, config });
    const taken = { a: await report(daemon.client, "a", "before", 16), b: [] as string[] };
    expect(taken.a).toHaveLength(16);
    fill(join(disk, "ballast"));
    // A block of the journal may have room yet.
    taken.a.push(...(await report(daemon.client, "a", "full", 40)));
    await expectFull(daemon.client.reportProgress("b", { processed: ["x".repeat(8 * kib)] }));
    expect(await problemCodes(daemon.client)).toEqual(["storage_full"]);
    await expectProcessed(daemon.client, "a", taken.a);
    rmSync(join(disk, "ballast"));
    taken.b.push(...(await report(daemon.client, "b", "after", 40)));
    expect(taken.b).toHaveLength(40);
    daemon.kill("SIGKILL");
    daemon = await daemon.restart();
    for (const id of ["a", "b"] as const) await expectProcessed(daemon.client, id, taken[id]);
    expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
  },
);

test.skipIf(!canMount())(
  "a daemon that was killed starts on a full disk, shows what no file holds, and writes it when there is room",
  async () => {
    const disk = await smallDisk();
    const dir = join(disk, "sessions");
    let daemon = await startDaemon({ dir, config: longLag });
    const pending_files = ["x".repeat(100 * kib)];
    await daemon.client.createSession({ session_id: "large", config, pending_files });
    for (const session_id of ["a", "gone"]) await daemon.client.createSession({ session_id, config });
    const taken = new Map<string, string[]>();
    for (const id of ["a", "large", "gone"]) taken.set(id, await report(daemon.client, id, id, 40));
    daemon.kill("SIGKILL");
    await daemon.exited;
    fill(join(disk, "ballast"));
    writeFileSync(daemon.configFile, "storage: { max_lag: 50ms }");
    daemon = await daemon.restart();
    const { client } = daemon;
    for (const [id, files] of taken) await expectProcessed(client, id, files);
    // The first report of a run begins a segment of the journal.
    await expectFull(client.reportProgress("a", { processed: ["y"] }));
    await expectFull(client.pauseSession("a"));
    await eventually(async () => expect(await problemCodes(client)).toEqual(["storage_full"]));
    expect(readSessions(dir).get("a")?.processed_files).toEqual([]);
    // A session whose reports wait for its file can be deleted for good all the same, and that makes room.
    await client.deleteSession("large", { purge: true });
    await eventually(() => expect(readSessions(dir).get("a")?.processed_files).toHaveLength(40));
    await client.deleteSession("gone");
    await client.restoreTrash("gone");
    for (const id of ["a", "gone"]) await expectProcessed(client, id, taken.get(id) ?? []);
    await client.reportProgress("a", { processed: ["y"], results: { y: 1 } });
    expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
    daemon.kill("SIGKILL");
    daemon = await daemon.restart();
    await expectProcessed(daemon.client, "a", [...(taken.get("a") ?? []), "y"]);
    await expect(daemon.client.getSession("large")).rejects.toMatchObject({ code: "session_not_found" });
    expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
  },
);
