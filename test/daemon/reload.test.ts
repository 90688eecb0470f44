import { rm, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { ScheduleEntry } from "../../src/contract/replies.ts";
import { scene } from "../client/worker/fixture.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { startHeld } from "./held-start.ts";

const good = `
log: { level: info }
cleanup:
  completed: { schedule: "0 3 * * *", keep_recent: 10 }
  expired: { max_age: 30d }
`;

async function job(
  { client }: { client: SessionClient },
  name: ScheduleEntry["job"],
): Promise<ScheduleEntry> {
  const { jobs } = await client.getCleanup();
  return jobs.find((entry) => entry.job === name) as ScheduleEntry;
}

test("POST /v1/reload puts schedules, policies and the log level in force", async () => {
  const at = await scene(good);
  expect(await at.client.reload()).toEqual({ applied: [], needs_restart: [] });
  await writeFile(
    at.configFile,
    `
log: { level: debug }
cleanup:
  completed: { schedule: "15 5 1 1 *", keep_recent: 3 }
  failed: { enabled: false }
trash: { retention: 1d }
`,
  );
  const { applied, needs_restart } = await at.client.reload();
  expect(needs_restart).toEqual([]);
  expect(applied.sort()).toEqual([
    "cleanup.completed.keep_recent",
    "cleanup.completed.schedule",
    "cleanup.failed.enabled",
    "log.level",
    "trash.retention",
  ]);
  const completed = await job(at, "completed");
  expect(completed).toMatchObject({ schedule: "15 5 1 1 *", enabled: true });
  expect(completed.rule).toContain("3");
  expect(completed.next_run).toMatch(/-01-01T05:15:00/);
  expect(await job(at, "failed")).toMatchObject({ enabled: false, next_run: null });
  await eventually(() => expect(at.daemon.log()).toContain('"url":"/v1/cleanup"'));
});

test("SIGHUP does the same, and a bad file does not end the daemon", async () => {
  const daemon = await startDaemon({ config: good });
  await writeFile(daemon.configFile, `cleanup: { expired: { max_age: 5d } }`);
  daemon.kill("SIGHUP");
  await eventually(async () => expect((await job(daemon, "expired")).rule).toContain("5d"));
  await writeFile(daemon.configFile, "cleanup: { expired: { max_age: 7m } }");
  daemon.kill("SIGHUP");
  await eventually(() => expect(daemon.stderr()).toContain("reload failed"));
  expect((await job(daemon, "expired")).rule).toContain("5d");
});

test("SIGHUP while it starts is heeded when it has started", async () => {
  const daemon = await startHeld({ config: good });
  await writeFile(daemon.configFile, "trash: { retention: 3d }");
  daemon.kill("SIGHUP");
  daemon.goOn();
  await eventually(() => expect(daemon.stderr()).toMatch(/"trash\.retention".*configuration reloaded/));
});

test("a bad file is refused with file, line and column, and nothing of it is applied", async () => {
  const at = await scene(good);
  let before = await at.client.getCleanup();
  // Jobs are scheduled when the daemon serves already.
  await eventually(async () => {
    before = await at.client.getCleanup();
    for (const job of before.jobs) expect(job.next_run).not.toBeNull();
  });
  await writeFile(
    at.configFile,
    "log: { level: debug }\ncleanup:\n  completed: { keep_recent: 3 }\n  expired: { max_age: 7m }\n",
  );
  await expect(at.client.reload()).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining(`${at.configFile}:4:`),
    issues: [{ path: "cleanup.expired.max_age", message: expect.stringContaining("7min") }],
  });
  await expect(at.daemon.reload()).rejects.toMatchObject({ name: "ConfigError" });
  expect(at.daemon.log()).toMatch(/reload failed, the old configuration stays in force.*sessiond\.yaml:4:/);
  await rm(at.configFile);
  await expect(at.client.reload()).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("file not found"),
  });
  expect(await at.client.getCleanup()).toEqual(before);
  expect(at.daemon.log()).not.toContain('"msg":"request"');
});

test("what needs a restart is told each time until there is one", async () => {
  const at = await scene(good);
  const text = "limits: { body: 1KiB, connections: 5 }\nstorage: { rescan_interval: 5s }\n";
  await writeFile(at.configFile, text);
  const needs_restart = ["limits.body", "limits.connections", "storage.rescan_interval"];
  expect((await at.client.reload()).needs_restart.sort()).toEqual(needs_restart);
  expect((await at.client.reload()).needs_restart.sort()).toEqual(needs_restart);
  expect((await at.client.getInfo()).store.rescan_interval_ms).toBe(60_000);
  await at.restart();
  expect((await at.client.getInfo()).store.rescan_interval_ms).toBe(5000);
  expect((await at.client.reload()).needs_restart).toEqual([]);
});
