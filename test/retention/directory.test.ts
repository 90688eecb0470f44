/** Cleanup over a real directory: what the other suites show in memory holds where files are. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../src/log.ts";
import type { Cleanup } from "../../src/retention/cleanup.ts";
import type { SessionId } from "../../src/session/session-id.ts";
import { openDirectoryStore } from "../../src/store/directory/directory-store.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";
import { tempDir } from "../support/temp-dir.ts";
import { cleanupOf, dayMs } from "./sessions.ts";

interface Opened {
  store: SessionStore;
  cleanup: Cleanup;
  close(): Promise<void>;
}

async function open(directory: string, clock: FakeClock): Promise<Opened> {
  const store = await openDirectoryStore({
    directory,
    rescanIntervalMs: 60_000,
    clock,
    logger: silentLogger,
  });
  const cleanup = cleanupOf(store, clock);
  const close = async () => {
    await cleanup.stop();
    await store.close();
  };
  onTestFinished(close);
  return { store, cleanup, close };
}

async function create(store: SessionStore, count: number, name: string): Promise<SessionId[]> {
  const ids = Array.from({ length: count }, (_, at) => `${name}-${at}` as SessionId);
  for (const session_id of ids) await store.create({ session_id, config: { target_path: "/src" } });
  return ids;
}

const sessionFiles = async (directory: string) =>
  (await readdir(directory)).filter((name) => name.endsWith(".json")).sort();

test("removes, accounts, undoes, and empties", async () => {
  const directory = await tempDir();
  const clock = fakeClock();
  const { store, cleanup } = await open(directory, clock);
  const failed = await create(store, 4, "failed");
  for (const id of failed) await store.apply(id, { type: "transition", verb: "fail" });
  await store.apply(failed[0] as SessionId, { type: "edit", pinned: true });
  await create(store, 2, "running");
  clock.advance(8 * dayMs);

  const dry = await cleanup.run({ policy: "failed", trigger: "request", dryRun: true });
  expect(await sessionFiles(directory)).toHaveLength(6);
  const real = await cleanup.run({ policy: "failed", trigger: "request", approve: dry.plan_id });
  expect(real.decisions).toEqual(dry.decisions);
  expect(real).toMatchObject({ removed: 3, kept: 3, outcome: "done" });
  expect(await sessionFiles(directory)).toEqual(["failed-0.json", "running-0.json", "running-1.json"]);

  const { entries } = await cleanup.history();
  expect(entries.map((entry) => entry.session_id).sort()).toEqual(["failed-1", "failed-2", "failed-3"]);
  const restored = entries[0]?.session_id as SessionId;
  await store.restoreTrash(restored, entries[0]?.trash_id ?? "");
  expect(await store.has(restored)).toBe(true);
});

test("what another program changed after the plan was made is kept", async () => {
  const directory = await tempDir();
  const clock = fakeClock();
  const { store, cleanup } = await open(directory, clock);
  const [first] = await create(store, 3, "old");
  clock.advance(40 * dayMs);
  const { plan_id } = await cleanup.run({ policy: "expired", trigger: "request", dryRun: true });
  const path = join(directory, `${first}.json`);
  const text = await readFile(path, "utf8");
  const { remove } = store;
  let written = false;
  store.remove = async (...args) => {
    if (!written) await writeFile(path, text.replace('"running"', '"paused"'));
    written = true;
    return remove.apply(store, args);
  };
  const result = await cleanup.run({ policy: "expired", trigger: "request", approve: plan_id });
  expect(result.decisions.map((one) => [one.session_id, one.action, one.reason])).toContainEqual([
    first,
    "keep",
    "changed",
  ]);
  expect(result.removed).toBe(2);
  expect(await sessionFiles(directory)).toEqual([`${first}.json`]);
});

test("a plan above the limit waits through a restart, and is carried out once approved", async () => {
  const directory = await tempDir();
  const clock = fakeClock();
  const first = await open(directory, clock);
  await create(first.store, 12, "old");
  clock.advance(40 * dayMs);
  const held = await first.cleanup.run({ policy: "expired", trigger: "schedule" });
  expect(held.outcome).toBe("waiting_approval");
  await first.close();

  const { store, cleanup } = await open(directory, clock);
  const [, expired] = await cleanup.schedules();
  expect(expired).toMatchObject({
    last_run: { trigger: "schedule", outcome: "waiting_approval" },
    waiting: { plan_id: held.plan_id, remove: 12, total: 12 },
  });
  await store.apply("old-3" as SessionId, { type: "progress", delta: { processed: ["a.ts"] } });
  const result = await cleanup.run({ policy: "expired", trigger: "request", approve: held.plan_id });
  expect(result).toMatchObject({ removed: 11, kept: 1 });
  expect(await sessionFiles(directory)).toEqual(["old-3.json"]);
  const again = cleanup.run({ policy: "expired", trigger: "request", approve: held.plan_id });
  await expect(again).rejects.toMatchObject({ code: "approval_required" });
});
