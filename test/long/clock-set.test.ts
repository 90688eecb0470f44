/** The daemon while the system clock is set under it: a process with a clock of its own. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeTimeLibrary } from "../e2e/capability.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const library = fakeTimeLibrary();
const dayMs = 86_400_000;

const everyMinute = '{ schedule: "* * * * *" }';
const config = `
cleanup:
  completed: ${everyMinute}
  expired: ${everyMinute}
  failed: ${everyMinute}
trash: ${everyMinute}
`;

interface Machine {
  daemon: DaemonProcess;
  /** Sets the daemon's system clock this many seconds before or after that of the machine. */
  setClock(seconds: number): Promise<void>;
}

async function machine(seconds: number): Promise<Machine> {
  const file = join(await tempDir(), "clock");
  const setClock = async (seconds: number) => {
    await writeFile(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}`);
    await rename(`${file}.new`, file);
  };
  await setClock(seconds);
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    // The time since boot is nobody's to set.
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
  return { daemon: await startDaemon({ config, env }), setClock };
}

async function createMany({ client }: DaemonProcess): Promise<void> {
  for (let count = 0; count < 8; count++) {
    const session_id = `s${count}`;
    await client.createSession({ session_id, config: { target_path: "/src" } });
    if (count % 2 === 0) await client.failSession(session_id);
  }
  await client.deleteSession("s7");
}

/** Every job has run at least once since the clock was set. */
async function everyJobRan({ client }: DaemonProcess, sinceMs: number) {
  return eventually(async () => {
    const { jobs } = await client.getCleanup();
    for (const { job, last_run, next_run } of jobs) {
      expect(Date.parse(last_run?.time ?? ""), job).toBeGreaterThanOrEqual(sinceMs);
      // Planned again: a minute away at most, and not in the past.
      const info = await client.getInfo();
      const nowMs = Date.parse(info.started_time) + info.uptime_ms;
      expect(Math.abs(Date.parse(next_run ?? "") - nowMs), job).toBeLessThan(62_000);
    }
    return jobs;
  });
}

const epochSeconds = -Math.floor(Date.now() / 1000) + 86_400;

async function setForward(before: number, after: number): Promise<void> {
  const { daemon, setClock } = await machine(before);
  const { client } = daemon;
  await createMany(daemon);
  const { uptime_ms: earlier } = await client.getInfo();
  const startedMs = performance.now();
  await setClock(after);
  const jobs = await everyJobRan(daemon, Date.now() + after * 1000 - 1000);
  expect((await client.getStats()).total).toBe(7);
  expect((await client.listTrash()).total).toBe(1);
  expect((await client.getCleanupHistory()).entries).toEqual([]);
  const waiting = jobs.filter((entry) => entry.waiting !== null).map(({ job }) => job);
  expect(waiting).toEqual(["expired", "failed", "trash"]);

  const { uptime_ms, started_time } = await client.getInfo();
  expect(uptime_ms - earlier).toBeLessThan(performance.now() - startedMs + 2000);
  const nowMs = Date.now() + after * 1000;
  expect(Math.abs(Date.parse(started_time) + uptime_ms - nowMs)).toBeLessThan(3000);

  // A restart forgets nothing.
  const again = await daemon.restart();
  await everyJobRan(again, Date.now() + after * 1000);
  expect((await again.client.getStats()).total).toBe(7);

  const [expired] = (await again.client.getCleanup()).jobs.filter(({ job }) => job === "expired");
  const plan = expired?.waiting?.plan_id;
  expect(await again.client.runCleanup("expired", { approve: plan })).toMatchObject({ removed: 7 });
}

async function setBack(): Promise<void> {
  const { daemon, setClock } = await machine(0);
  await createMany(daemon);
  await setClock(-86_400);
  await everyJobRan(daemon, Date.now() - dayMs - 1000);
  expect((await daemon.client.getStats()).total).toBe(7);
  // Put right again, nothing waits.
  await setClock(0);
  await everyJobRan(daemon, Date.now() - 1000);
  const { jobs } = await daemon.client.getCleanup();
  expect(jobs.filter((entry) => entry.waiting !== null)).toEqual([]);
  expect(await daemon.client.getHealth()).toMatchObject({ status: "ok" });
}

// Each waits for minutes to begin, and all wait at once.
test.skipIf(library === undefined)(
  "set 400 days on or from 1970 to now, nothing is lost; set back by a day, schedules go on at once",
  async () => {
    await Promise.all([setForward(0, 400 * 86_400), setForward(epochSeconds, 0), setBack()]);
  },
);
