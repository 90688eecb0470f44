/** Several daemons over one store: each job runs on one of them, and what they know is the same. */
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { SessiondError } from "../../src/error.ts";
import { silentLogger } from "../../src/log.ts";
import { Cleanup } from "../../src/retention/cleanup.ts";
import type { CleanupOptions } from "../../src/retention/options.ts";
import type { BootTime } from "../../src/time/boot-time.ts";
import { systemClock } from "../../src/time/clock.ts";
import { bootTimeOf, fakeMachine } from "../support/fake-clock.ts";
import { storageAway } from "../support/memory-store/storage-away.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, cleanupOptions, dayMs, manyAged, trashOptions } from "./sessions.ts";

/** Five minutes before the job `failed` is due. */
const start = Date.parse("2026-03-01T03:55:00Z");
const hourMs = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: start });
});
afterEach(() => {
  vi.useRealTimers();
});

const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 60_000);

function daemon(store: AgedStore, options: Partial<CleanupOptions> = {}, bootTime?: BootTime): Cleanup {
  const cleanup = new Cleanup({
    store,
    cleanup: { ...cleanupOptions, maxDeleteRatio: 1, ...options },
    trash: trashOptions,
    bootTime: bootTime ?? bootTimeOf(systemClock()),
    logger: silentLogger,
  });
  onTestFinished(() => cleanup.stop());
  return cleanup;
}

const failedJob = async (cleanup: Cleanup) => (await cleanup.schedules()).find(({ job }) => job === "failed");

/** Ends at the first removals, until it is told to go on. */
function stuckAt(store: AgedStore) {
  const stuck: (() => void)[] = [];
  store.faults.before("remove", () => new Promise<void>((resolve) => stuck.push(resolve)));
  return {
    goOn() {
      store.faults.before("remove");
      for (const one of stuck) one();
    },
  };
}

describe("a job that is due on several daemons", () => {
  test("runs on one of them, and each knows of it", async () => {
    const store = new AgedStore(systemClock(), manyAged(12, "failed", 10));
    const daemons = [daemon(store), daemon(store), daemon(store)];
    for (const one of daemons) await one.start();
    await minutes(6);
    expect(store.ids()).toEqual([]);
    const { entries } = await (daemons[0] as Cleanup).history();
    expect(entries).toHaveLength(12);
    expect(new Set(entries.map(({ plan_id }) => plan_id)).size).toBe(1);
    for (const one of daemons) {
      expect(await failedJob(one)).toMatchObject({
        next_run: "2026-03-02T04:00:00.000000Z",
        last_run: { outcome: "done", removed: 12 },
      });
    }
  });

  test("is finished by another one when its daemon goes away in the middle", async () => {
    const store = new AgedStore(systemClock(), manyAged(30, "failed", 10));
    const first = daemon(store);
    await first.start();
    const stuck = stuckAt(store);
    await minutes(5);
    const second = daemon(store);
    await second.start();
    await minutes(2);
    expect(store.ids()).toHaveLength(30);
    store.slots.lose();
    store.faults.before("remove");
    await minutes(0.1);
    expect(store.ids()).toEqual([]);
    const taken = await failedJob(second);
    expect(taken).toMatchObject({ last_run: { outcome: "done", removed: 30 } });
    // The first one comes back: it goes on with nothing of its plan, of which this was the last.
    store.put(aged("failed-0", "failed", 10));
    stuck.goOn();
    await minutes(0.1);
    expect(store.ids()).toEqual(["failed-0"]);
    expect((await failedJob(first))?.last_run).toEqual(taken?.last_run);
  });

  test("goes over to another daemon at once when its own is stopped", async () => {
    const store = new AgedStore(systemClock(), manyAged(30, "failed", 10));
    const [first, second] = [daemon(store), daemon(store)] as const;
    await first.start();
    const stuck = stuckAt(store);
    await minutes(5);
    await second.start();
    const stopped = first.stop();
    stuck.goOn();
    await vi.advanceTimersByTimeAsync(3);
    await stopped;
    expect(store.ids().length).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(store.ids()).toEqual([]);
  });

  test("that was missed by all runs once", async () => {
    const store = new AgedStore(systemClock(), manyAged(4, "failed", 10));
    const before = daemon(store);
    await before.start();
    await before.stop();
    vi.setSystemTime(start + 5 * hourMs);
    const passes: string[] = [];
    store.faults.before("remove", (id) => void passes.push(id));
    const daemons = [daemon(store), daemon(store), daemon(store)];
    await Promise.all(daemons.map((one) => one.start()));
    await minutes(0.1);
    expect(store.ids()).toEqual([]);
    expect(passes).toHaveLength(4);
    expect(await failedJob(daemons[2] as Cleanup)).toMatchObject({ last_run: { trigger: "catch_up" } });
  });
});

describe("while storage is away", () => {
  test.each([
    ["run_once", 0],
    ["skip", 3],
  ] as const)(
    "a job that is due waits, and with on_missed %s %i sessions are left",
    async (onMissed, left) => {
      const away = storageAway(new AgedStore(systemClock(), manyAged(3, "failed", 10)));
      const cleanup = daemon(away.store, { onMissed });
      await cleanup.start();
      await minutes(4);
      away.goAway();
      await minutes(3);
      away.comeBack();
      await minutes(0.1);
      expect(away.store.ids()).toHaveLength(left);
    },
  );

  test("a pass ends, and what is left of it is done when storage is back", async () => {
    const store = new AgedStore(systemClock(), manyAged(40, "failed", 10));
    const away = storageAway(store);
    let removals = 0;
    store.faults.after("remove", () => {
      if (++removals === 20) away.goAway();
    });
    const cleanup = daemon(away.store);
    await cleanup.start();
    await minutes(6);
    expect(store.ids().length).toBeGreaterThan(0);
    away.comeBack();
    await minutes(0.1);
    expect(store.ids()).toEqual([]);
  });

  test("the schedules start when it is back, if it is away at the start", async () => {
    const away = storageAway(new AgedStore(systemClock(), manyAged(3, "failed", 10)));
    away.goAway();
    const cleanup = daemon(away.store);
    await cleanup.start();
    await cleanup.configure({ ...cleanupOptions, maxDeleteRatio: 1, maxDeleteCount: 100 }, trashOptions);
    await minutes(2);
    away.comeBack();
    await minutes(0.1);
    expect(await failedJob(cleanup)).toMatchObject({ next_run: "2026-03-01T04:00:00.000000Z" });
    await minutes(3);
    expect(away.store.ids()).toEqual([]);
  });
});

describe("what one daemon finds, all know", () => {
  test("a plan that waits can be approved on any, once", async () => {
    vi.useRealTimers();
    const store = new AgedStore(systemClock(), manyAged(9, "failed", 10));
    const limits = { maxDeleteRatio: 0.5 };
    const [first, second] = [daemon(store, limits), daemon(store, limits)] as const;
    const held = await first.run({ policy: "failed", trigger: "schedule" });
    expect(held.outcome).toBe("waiting_approval");
    expect(await second.health()).toMatchObject([{ code: "cleanup_waiting_approval" }]);
    expect((await failedJob(second))?.waiting?.plan_id).toBe(held.plan_id);
    const done = await second.run({ policy: "failed", trigger: "request", approve: held.plan_id });
    expect(done).toMatchObject({ outcome: "done", removed: 9 });
    expect(await first.health()).toEqual([]);
    const again = first.run({ policy: "failed", trigger: "request", approve: held.plan_id });
    await expect(again).rejects.toMatchObject({ code: "approval_required" });
  });

  test("a run that failed is in the health of each", async () => {
    const store = new AgedStore(systemClock(), [aged("a", "failed", 10)]);
    const [first, second] = [daemon(store), daemon(store)] as const;
    await first.start();
    store.faults.fail("remove", new SessiondError("storage_full", "the disk is full"));
    await minutes(6);
    expect(await second.health()).toMatchObject([{ code: "cleanup_failed" }]);
    store.faults.before("remove");
    vi.useRealTimers();
    await second.run({ policy: "failed", trigger: "request" });
    expect(await first.health()).toEqual([]);
  });

  test("a clock that was set holds the passes of all back, counts once, and is accepted once", async () => {
    vi.useRealTimers();
    const machine = fakeMachine();
    const other: BootTime = { bootId: "other", sinceBootMs: () => machine.bootTime.sinceBootMs() + 5e8 };
    const store = new AgedStore(machine.clock, manyAged(3, "failed", 10));
    const [first, second] = [daemon(store, {}, machine.bootTime), daemon(store, {}, other)] as const;
    await first.noteClock();
    await second.noteClock();
    machine.pass(hourMs);
    machine.set(400 * dayMs);
    const waiting = await first.run({ policy: "failed", trigger: "schedule" });
    expect(waiting.outcome).toBe("waiting_approval");
    expect(waiting.warnings.at(-1)).toContain("set forward by 400 d ");
    const elsewhere = await second.run({ policy: "failed", trigger: "schedule" });
    expect(elsewhere.warnings.at(-1)).toContain("set forward by 400 d ");
    expect(elsewhere.plan_id).toBe(waiting.plan_id);
    await second.run({ policy: "failed", trigger: "request", approve: waiting.plan_id });
    await expect(first.assertAgesKnown("failed")).resolves.toBeUndefined();
    await expect(first.assertAgesKnown("trash")).rejects.toMatchObject({ code: "approval_required" });
    // Each host compares its own readings: that of the other is hours off by its own time since boot.
    machine.pass(hourMs);
    await first.noteClock();
    await second.noteClock();
    await expect(second.assertAgesKnown("failed")).resolves.toBeUndefined();
  });
});
