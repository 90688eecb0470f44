import cron from "node-cron";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { SessiondError } from "../../src/error.ts";
import { silentLogger } from "../../src/log.ts";
import { Cleanup } from "../../src/retention/cleanup.ts";
import type { CleanupOptions } from "../../src/retention/options.ts";
import { formatTimestamp, systemClock } from "../../src/time/clock.ts";
import { bootTimeOf } from "../support/fake-clock.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, cleanupOptions, dayMs, trashOptions } from "./sessions.ts";

const start = Date.parse("2026-03-01T00:00:00Z");

beforeEach(() => {
  vi.useFakeTimers({ now: start });
});
afterEach(() => {
  vi.useRealTimers();
  expect(cron.getTasks().size).toBe(0);
});

const hours = (count: number) => vi.advanceTimersByTimeAsync(count * 3_600_000);

function storeOf(...failed: string[]): AgedStore {
  return new AgedStore(
    systemClock(),
    failed.map((id) => aged(id, "failed", 10)),
  );
}

function cleanupOf(store: AgedStore, options: Partial<CleanupOptions> = {}, trash = trashOptions): Cleanup {
  const cleanup = new Cleanup({
    store,
    cleanup: { ...cleanupOptions, ...options },
    trash,
    bootTime: bootTimeOf(systemClock()),
    logger: silentLogger,
  });
  onTestFinished(() => cleanup.stop());
  return cleanup;
}

async function job(cleanup: Cleanup, name: string) {
  const found = (await cleanup.schedules()).find((one) => one.job === name);
  if (found === undefined) throw new Error(`no job ${name}`);
  return found;
}

describe("on schedule", () => {
  test("each job runs at its time, and what it did is remembered", async () => {
    const store = storeOf("a", "b");
    const cleanup = cleanupOf(store, {}, { ...trashOptions, retentionMs: dayMs });
    await cleanup.start();
    expect((await cleanup.schedules()).map((one) => [one.job, one.next_run])).toEqual([
      ["completed", "2026-03-01T03:00:00.000000Z"],
      ["expired", "2026-03-01T03:30:00.000000Z"],
      ["failed", "2026-03-01T04:00:00.000000Z"],
      ["trash", "2026-03-01T04:30:00.000000Z"],
    ]);
    await hours(3.9);
    expect(store.ids()).toEqual(["a", "b"]);
    await hours(0.2);
    expect(store.ids()).toEqual([]);
    expect(await job(cleanup, "failed")).toMatchObject({
      next_run: "2026-03-02T04:00:00.000000Z",
      last_run: { trigger: "schedule", outcome: "done", removed: 2, kept: 0 },
    });
    await hours(20);
    expect((await store.listTrash()).total).toBe(2);
    await hours(24);
    expect((await store.listTrash()).total).toBe(0);
    expect(await job(cleanup, "trash")).toMatchObject({ last_run: { outcome: "done", kept: 0 } });
    const { entries } = await cleanup.history({ session_id: "a" });
    expect(entries.map((entry) => [entry.job, entry.reason, entry.trash_id !== null])).toEqual([
      ["trash", "trash_retention", true],
      ["failed", "failed_past_max_age", true],
    ]);
    await cleanup.stop();
  });

  test("a job that is turned off does not run, but can be asked for", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store, { failed: { ...cleanupOptions.failed, enabled: false } });
    await cleanup.start();
    await hours(48);
    expect(store.ids()).toEqual(["a"]);
    expect(await job(cleanup, "failed")).toMatchObject({ enabled: false, next_run: null, last_run: null });
    const running = cleanup.run({ policy: "failed", trigger: "request" });
    // It lets other work in, which takes turns of the event loop that only we can give it.
    await hours(0.1);
    expect((await running).removed).toBe(1);
    await cleanup.stop();
  });

  test("a job that fails is told of in health, runs again at its next scheduled time, and is well then", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store);
    await cleanup.start();
    store.faults.fail("emptyTrash", new SessiondError("storage_failed", "the disk is gone"));
    await hours(5);
    expect(await cleanup.health()).toMatchObject([
      { code: "cleanup_failed", message: expect.stringContaining("trash failed: the disk is gone") },
    ]);
    expect(await job(cleanup, "trash")).toMatchObject({ last_run: { outcome: "failed" } });
    store.faults.before("emptyTrash");
    await hours(24);
    expect(await cleanup.health()).toEqual([]);
    await cleanup.stop();
  });

  test("new options are in force at once", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store);
    await cleanup.start();
    const failed = { ...cleanupOptions.failed, schedule: "0 1 * * *", maxAgeMs: 20 * dayMs };
    await cleanup.configure({ ...cleanupOptions, failed }, trashOptions);
    expect(await job(cleanup, "failed")).toMatchObject({
      next_run: "2026-03-01T01:00:00.000000Z",
      rule: "remove failed sessions without activity for 20d",
    });
    await hours(6);
    expect(store.ids()).toEqual(["a"]);
    await cleanup.configure(
      { ...cleanupOptions, failed: { ...failed, maxAgeMs: dayMs, schedule: "0 7 * * *" } },
      trashOptions,
    );
    await hours(2);
    expect(store.ids()).toEqual([]);
    await cleanup.stop();
  });

  test("options with a bad schedule are refused whole", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store);
    await cleanup.start();
    const bad = {
      ...cleanupOptions,
      failed: { ...cleanupOptions.failed, schedule: "at night", maxAgeMs: 1 },
    };
    await expect(cleanup.configure(bad, trashOptions)).rejects.toMatchObject({ code: "invalid_request" });
    expect(await job(cleanup, "failed")).toMatchObject({
      schedule: "0 4 * * *",
      next_run: "2026-03-01T04:00:00.000000Z",
    });
    await cleanup.stop();
  });
});

describe("missed runs", () => {
  test("the first start ever has missed nothing", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store);
    await cleanup.start();
    await hours(1);
    expect(await job(cleanup, "failed")).toMatchObject({ last_run: null });
    await cleanup.stop();
  });

  test("what fell due while away is caught up on at start, once", async () => {
    const store = storeOf("a");
    await stopAfter(cleanupOf(store), 1);
    vi.setSystemTime(start + 5 * dayMs);
    const second = cleanupOf(store);
    await second.start();
    await hours(0.1);
    expect(store.ids()).toEqual([]);
    expect(await job(second, "failed")).toMatchObject({
      last_run: { trigger: "catch_up", removed: 1 },
      next_run: "2026-03-06T04:00:00.000000Z",
    });
    await second.stop();

    store.put(aged("b", "failed", 10));
    const third = cleanupOf(store);
    await third.start();
    await hours(0.1);
    expect(store.ids()).toEqual(["b"]);
    await third.stop();
  });

  test.each<[string, Partial<CleanupOptions>]>([
    ["on_missed is skip", { onMissed: "skip" }],
    ["its schedule is another now", { failed: { ...cleanupOptions.failed, schedule: "1 4 * * *" } }],
    ["the time zone is another now", { timezone: "Asia/Tokyo" }],
    ["it is turned off", { failed: { ...cleanupOptions.failed, enabled: false } }],
  ])("nothing is caught up on if %s", async (_, options) => {
    const store = storeOf("a");
    await stopAfter(cleanupOf(store), 1);
    vi.setSystemTime(start + 5 * dayMs);
    const second = cleanupOf(store, options);
    await second.start();
    await hours(0.1);
    expect(store.ids()).toEqual(["a"]);
    await second.stop();
  });

  test("after a long break the limit holds for catching up too", async () => {
    const ids = Array.from({ length: 20 }, (_, at) => `s${at}`);
    const store = new AgedStore(systemClock());
    for (const id of ids) store.put(aged(id, "running", 0));
    await stopAfter(cleanupOf(store), 1);
    vi.setSystemTime(start + 60 * dayMs);
    const second = cleanupOf(store);
    await second.start();
    await hours(0.1);
    expect(store.ids()).toHaveLength(20);
    expect(await job(second, "expired")).toMatchObject({
      last_run: { trigger: "catch_up", outcome: "waiting_approval" },
      waiting: { remove: 20, total: 20 },
    });
    await second.stop();
  });

  test("a pass that a stop cut short is caught up on", async () => {
    const ids = Array.from({ length: 60 }, (_, at) => `s${at}`);
    const store = storeOf(...ids);
    const first = cleanupOf(store, { maxDeleteRatio: 1 });
    await first.start();
    let stopping: Promise<void> | undefined;
    store.faults.before("remove", () => {
      stopping ??= first.stop();
    });
    await hours(4.1);
    await stopping;
    expect(store.ids().length).toBeGreaterThan(40);
    const second = cleanupOf(store, { maxDeleteRatio: 1 });
    await second.start();
    await hours(0.1);
    expect(store.ids()).toEqual([]);
    await second.stop();
  });

  test("a jump of the clock by a day is one run", async () => {
    const store = storeOf("a");
    const cleanup = cleanupOf(store);
    await cleanup.start();
    vi.setSystemTime(start + dayMs);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await job(cleanup, "failed")).toMatchObject({
      last_run: { trigger: "catch_up", removed: 1 },
      next_run: "2026-03-02T04:00:00.000000Z",
    });
    vi.setSystemTime(start);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await job(cleanup, "failed")).toMatchObject({ next_run: "2026-03-01T04:00:00.000000Z" });
    await cleanup.stop();
  });

  test("a record of an unknown form is not trusted, and is replaced", async () => {
    const store = storeOf("a");
    await store.records.replace("schedule", { jobs: [{ job: "failed", next_run: 7 }] });
    await store.records.replace("approvals", ["?"]);
    const cleanup = cleanupOf(store);
    await cleanup.start();
    await hours(0.1);
    expect(store.ids()).toEqual(["a"]);
    expect(await store.records.load("schedule")).toMatchObject({
      jobs: [{}, {}, { job: "failed", next_run: formatTimestamp((start + 4 * 3_600_000) * 1000) }, {}],
    });
    await cleanup.stop();
  });

  test("a record that cannot be read keeps it from starting, until it can", async () => {
    const store = storeOf("a");
    store.faults.fail("records.load", new SessiondError("storage_failed", "unreadable"));
    const cleanup = cleanupOf(store);
    await expect(cleanup.start()).rejects.toMatchObject({ code: "storage_failed" });
    store.faults.before("records.load");
    await cleanup.start();
    expect(await job(cleanup, "failed")).toMatchObject({ next_run: "2026-03-01T04:00:00.000000Z" });
    await cleanup.stop();
  });
});

async function stopAfter(cleanup: Cleanup, hoursOfRunning: number): Promise<void> {
  await cleanup.start();
  await hours(hoursOfRunning);
  await cleanup.stop();
}
