/** Cleanup while other programs work on the same sessions: what shows any sign of life is kept. */
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { runPass } from "../../src/retention/pass.ts";
import { plan } from "../../src/retention/policy.ts";
import type { Session } from "../../src/session/session.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import { type Clock, formatTimestamp, type Micros } from "../../src/time/clock.ts";
import {
  foreignSession,
  inTrash,
  meddlingClock,
  openStore,
  putOutside,
  quarantined,
} from "../store/directory/outside.ts";
import { allSummaries } from "../support/all-summaries.ts";
import { eventually } from "../support/eventually.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { tempDir } from "../support/temp-dir.ts";
import { cleanupOf, dayMs } from "./sessions.ts";

async function open(directory: string, clock: Clock) {
  const store = await openStore(directory, clock);
  return { store, cleanup: cleanupOf(store, clock) };
}

const start = "2026-03-01T00:00:00Z";

function daysBefore(now: Micros, days: number): string {
  return formatTimestamp(now - days * dayMs * 1000);
}

function putOld(directory: string, count: number, more: Partial<Session> = {}): string[] {
  const ids = Array.from({ length: count }, (_, at) => `old-${String(at).padStart(3, "0")}`);
  const now = fakeClock(start).now();
  for (const [at, id] of ids.entries()) {
    const checkpoint_time = daysBefore(now, 90 - at / 1000);
    putOutside(directory, `${id}.json`, foreignSession(id, { checkpoint_time, ...more }));
  }
  return ids;
}

test("a plan that is approved after a restart keeps what other programs renewed meanwhile", async () => {
  const directory = await tempDir();
  const clock = fakeClock(start);
  const marks = { revision: 7, generation: "g" };
  const ids = putOld(directory, 14, marks);
  const first = await open(directory, clock);
  const held = await first.cleanup.run({ policy: "expired", trigger: "schedule" });
  expect(held).toMatchObject({ outcome: "waiting_approval", total: 14 });
  await first.cleanup.stop();
  await first.store.close();

  const renewed = { checkpoint_time: daysBefore(clock.now(), 40), ...marks };
  putOutside(
    directory,
    "old-002.json",
    foreignSession("old-002", { ...renewed, checkpoint_time: daysBefore(clock.now(), 0) }),
  );
  // Old still, but not as old as what was on the list that somebody looked at.
  putOutside(directory, "old-003.json", foreignSession("old-003", renewed));
  const { cleanup } = await open(directory, clock);
  const approved = { policy: "expired", trigger: "request", approve: held.plan_id } as const;
  const dry = await cleanup.run({ ...approved, dryRun: true });
  const result = await cleanup.run(approved);
  expect(result.decisions).toEqual(dry.decisions);
  expect(result).toMatchObject({ outcome: "done", removed: 12, kept: 2 });
  expect(result.decisions.filter(({ action }) => action === "keep")).toMatchObject([
    { session_id: "old-002", reason: "changed" },
    { session_id: "old-003", reason: "changed" },
  ]);
  expect((await inTrash(directory)).filter((name) => name.endsWith(".json"))).toHaveLength(12);
  for (const id of ids)
    expect(existsSync(join(directory, `${id}.json`))).toBe(["old-002", "old-003"].includes(id));
});

test("so it does for documents that have no revision", async () => {
  const directory = await tempDir();
  const clock = fakeClock(start);
  putOld(directory, 12);
  const first = await open(directory, clock);
  const { plan_id } = await first.cleanup.run({ policy: "expired", trigger: "schedule" });
  await first.cleanup.stop();
  await first.store.close();
  const renewed = foreignSession("old-005", { checkpoint_time: daysBefore(clock.now(), 1) });
  putOutside(directory, "old-005.json", renewed);
  const { cleanup } = await open(directory, clock);
  const result = await cleanup.run({ policy: "expired", trigger: "request", approve: plan_id });
  expect(result.removed).toBe(11);
  expect(JSON.parse(readFileSync(join(directory, "old-005.json"), "utf8"))).toEqual(renewed);
});

test("a pass removes nothing that was active after it was planned, whatever its revision", async () => {
  const directory = await tempDir();
  const clock = fakeClock(start);
  putOld(directory, 3);
  const first = await openStore(directory, clock);
  const planned = plan(await allSummaries(first), { name: "expired", maxAgeMs: 30 * dayMs }, clock.now());
  await first.close();
  putOutside(
    directory,
    "old-001.json",
    foreignSession("old-001", { checkpoint_time: daysBefore(clock.now(), 0) }),
  );
  const result = await runPass({
    store: await openStore(directory, clock),
    plan: planned,
    trigger: "request",
    dryRun: false,
    signal: new AbortController().signal,
    clock,
    record: async () => {},
  });
  expect(result).toMatchObject({ outcome: "done", removed: 2, kept: 1 });
  expect(existsSync(join(directory, "old-001.json"))).toBe(true);
});

/** Lets another program come in right after the store looked at this session in order to remove it. */
function beforeTaking(store: SessionStore, id: string, meddle: () => void): void {
  const { remove } = store;
  store.remove = (...args) => {
    if (args[0] === id) meddle();
    return remove.apply(store, args);
  };
}

test("a file that is deleted from outside during a pass does not end it", async () => {
  const directory = await tempDir();
  const clock = meddlingClock(fakeClock(start));
  const [victim = ""] = putOld(directory, 30);
  const { store, cleanup } = await open(directory, clock);
  beforeTaking(store, victim, () => clock.meddle(() => rmSync(join(directory, `${victim}.json`))));
  const result = await cleanup.run({ policy: "expired", trigger: "request" });
  expect(result).toMatchObject({ outcome: "done", removed: 29, kept: 1, failures: [] });
  expect(result.decisions).toContainEqual(expect.objectContaining({ session_id: victim, reason: "changed" }));
  expect(await inTrash(directory)).toHaveLength(2 * 29);
});

test("a file that is renewed from outside during a pass is kept", async () => {
  const directory = await tempDir();
  const clock = meddlingClock(fakeClock(start));
  const [victim = ""] = putOld(directory, 30);
  const { store, cleanup } = await open(directory, clock);
  const renewed = foreignSession(victim, { checkpoint_time: daysBefore(clock.now(), 0) });
  beforeTaking(store, victim, () => clock.meddle(() => putOutside(directory, `${victim}.json`, renewed)));
  const result = await cleanup.run({ policy: "expired", trigger: "request" });
  expect(result).toMatchObject({ outcome: "done", removed: 29, kept: 1, failures: [] });
  expect(result.decisions).toContainEqual(expect.objectContaining({ session_id: victim, reason: "changed" }));
  expect(JSON.parse(readFileSync(join(directory, `${victim}.json`), "utf8"))).toEqual(renewed);
  expect(await inTrash(directory)).toHaveLength(2 * 29);
});

test("a pass that races another program's renames takes nothing that is fresh", async () => {
  const directory = await tempDir();
  const clock = fakeClock(start);
  const ids = putOld(directory, 200);
  const { store, cleanup } = await open(directory, clock);
  const fresh = { checkpoint_time: daysBefore(clock.now(), 0), processed_files: ["fresh"] };
  const stop = await renewingWhatIsTaken(
    directory,
    ids.map((id) => foreignSession(id, fresh)),
  );
  const result = await cleanup.run({ policy: "expired", trigger: "request" });
  const renewed = await stop();
  expect(renewed).toBeGreaterThan(0);
  expect(result).toMatchObject({ outcome: "done", failures: [], total: 200 });
  const trash = join(directory, ".sessiond", "trash");
  const documents = (await inTrash(directory)).filter((name) => name.endsWith(".json"));
  expect(documents).toHaveLength(result.removed);
  const taken = documents.filter((name) => readFileSync(join(trash, name), "utf8").includes('"fresh"'));
  // A few renames fall into the microseconds between the last look at a file and its removal. No file system
  // allows to close that gap.
  expect(taken.length).toBeLessThanOrEqual(renewed * 0.1);
  await store.reconcile();
  await eventually(async () => expect((await store.stats()).total).toBe(renewed - taken.length));
});

/**
 * Starts a thread that renames a fresh document over each session whose removal has begun, which it sees by
 * the note in the trash. The returned function stops it and returns the number of renames.
 */
async function renewingWhatIsTaken(directory: string, sessions: Session[]): Promise<() => Promise<number>> {
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `
    const { readdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
    const { join } = require("node:path");
    const { parentPort, workerData } = require("node:worker_threads");
    const { directory, sessions, stopped } = workerData;
    const trash = join(directory, ".sessiond", "trash");
    for (const { session_id: id, ...rest } of sessions)
      writeFileSync(join(directory, id + ".tmp"), JSON.stringify({ session_id: id, ...rest }));
    parentPort.postMessage("ready");
    const seen = new Set();
    const renewed = new Set();
    while (Atomics.load(stopped, 0) === 0) {
      for (const name of readdirSync(trash)) {
        if (!name.endsWith(".info") || seen.has(name)) continue;
        let id;
        try {
          id = JSON.parse(readFileSync(join(trash, name), "utf8")).session_id;
        } catch {
          continue;
        }
        seen.add(name);
        if (renewed.has(id)) continue;
        renameSync(join(directory, id + ".tmp"), join(directory, id + ".json"));
        renewed.add(id);
      }
    }
    parentPort.postMessage(renewed.size);
    `,
    { eval: true, workerData: { directory, sessions, stopped } },
  );
  onTestFinished(async () => void (await worker.terminate()));
  await once(worker, "message");
  return async () => {
    Atomics.store(stopped, 0, 1);
    const [renewed] = await once(worker, "message");
    return renewed as number;
  };
}

test.each(["schedule", "approvals"])(
  "a damaged record of its own (%s) does not keep it from starting",
  async (name) => {
    const directory = await tempDir();
    mkdirSync(join(directory, ".sessiond"));
    writeFileSync(join(directory, ".sessiond", `${name}.json`), '{"jobs": [{"job": "comp');
    const { cleanup } = await open(directory, fakeClock(start));
    await cleanup.start();
    const jobs = await cleanup.schedules();
    expect(jobs.map(({ job, last_run, waiting }) => [job, last_run, waiting])).toContainEqual([
      "expired",
      null,
      null,
    ]);
    expect(await quarantined(directory)).toEqual([
      expect.stringMatching(new RegExp(`^${name}-\\d+\\.json$`)),
    ]);
    await cleanup.stop();
    expect(
      (await readdir(join(directory, ".sessiond"))).filter((file) => file === "schedule.json"),
    ).toHaveLength(1);
  },
);
