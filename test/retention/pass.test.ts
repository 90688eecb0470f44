import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HistoryEntry } from "../../src/contract/replies.ts";
import { SessiondError } from "../../src/error.ts";
import { type Pass, runPass } from "../../src/retention/pass.ts";
import { type Policy, plan } from "../../src/retention/policy.ts";
import type { Clock } from "../../src/time/clock.ts";
import { allSummaries } from "../support/all-summaries.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, dayMs, manyAged, now, policies, stores } from "./sessions.ts";

const clock: Clock = { now: () => now };
const allFailed: Policy = { name: "failed", maxAgeMs: 0 };

function storeOf(sessions: ReturnType<typeof manyAged>): AgedStore {
  return new AgedStore(clock, sessions);
}

async function pass(store: AgedStore, policy: Policy, more: Partial<Pass> = {}) {
  return runPass({
    store,
    plan: plan(await allSummaries(store), policy, now),
    trigger: "request",
    dryRun: false,
    signal: new AbortController().signal,
    clock,
    record: (entries) => store.records.append("history", entries),
    ...more,
  });
}

const ids = (decisions: { session_id: string; action: string }[], action: string) =>
  decisions.filter((one) => one.action === action).map((one) => one.session_id);

describe("a pass", () => {
  test("removes to the trash what the plan says, with its reason, and accounts for it", async () => {
    const store = storeOf([
      aged("old", "failed", 8),
      aged("older", "failed", 9),
      aged("fresh", "failed", 1),
      aged("run", "running", 99),
    ]);
    const bytes = await store.bytesOf("old", "older");
    const bytesOfOld = await store.bytesOf("old");
    const result = await pass(store, { name: "failed", maxAgeMs: 7 * dayMs });
    expect(result).toMatchObject({
      policy: "failed",
      rule: "remove failed sessions without activity for 7d",
      dry_run: false,
      outcome: "done",
      total: 4,
      kept: 2,
      removed: 2,
      bytes,
      failures: [],
      warnings: [],
    });
    expect(store.ids()).toEqual(["fresh", "run"]);
    const { entries } = await store.listTrash();
    expect(entries.map((entry) => [entry.session_id, entry.reason])).toEqual([
      ["old", "failed_past_max_age"],
      ["older", "failed_past_max_age"],
    ]);
    const history = (await store.records.tail("history", 10)).entries as unknown as HistoryEntry[];
    expect(history[0]).toEqual({
      time: "2026-03-01T00:00:00.000000Z",
      job: "failed",
      rule: result.rule,
      reason: "failed_past_max_age",
      trigger: "request",
      plan_id: result.plan_id,
      session_id: "old",
      status: "failed",
      checkpoint_time: "2026-02-21T00:00:00.000000Z",
      bytes: bytesOfOld,
      trash_id: entries[0]?.trash_id,
    });
  });

  test("a dry run of any store decides what the real run does, and removes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(stores, policies, async (sessions, policy) => {
        const store = storeOf(sessions);
        const before = store.ids();
        const dry = await pass(store, policy, { dryRun: true });
        expect(dry.outcome).toBe("planned");
        expect(store.ids()).toEqual(before);
        expect((await store.records.tail("history", 1)).entries).toEqual([]);
        const real = await pass(store, policy);
        expect(real).toEqual({
          ...dry,
          dry_run: false,
          outcome: "done",
          duration_ms: expect.any(Number) as number,
        });
        expect(store.ids()).toEqual(ids(real.decisions, "keep").sort());
        expect((await store.listTrash()).total).toBe(real.removed);
        expect((await pass(store, policy)).removed).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("keeps what changed after it was chosen", async () => {
    const store = storeOf(manyAged(6, "failed", 1));
    const planned = plan(await allSummaries(store), allFailed, now);
    store.touch("failed-0");
    store.touch("failed-1", { pinned: true });
    await store.remove("failed-2" as never, { reason: "somebody" });
    store.touch("failed-3", { generation: "created again" });
    const bytes = await store.bytesOf("failed-4", "failed-5");
    const result = await pass(store, allFailed, { plan: planned });
    expect(ids(result.decisions, "remove")).toEqual(["failed-4", "failed-5"]);
    expect(result.decisions.slice(0, 4).map((one) => one.reason)).toEqual(Array(4).fill("changed"));
    expect(result).toMatchObject({ outcome: "done", removed: 2, kept: 4, bytes, failures: [] });
    expect(store.ids()).toEqual(["failed-0", "failed-1", "failed-3"]);
  });

  test("keeps a session that was created again, even at the same revision", async () => {
    const sessions = manyAged(3, "failed", 1);
    const planned = plan(await allSummaries(storeOf(sessions)), allFailed, now);
    const again = sessions.map((one, at) => (at === 1 ? { ...one, generation: "created again" } : one));
    const store = storeOf(again);
    const result = await pass(store, allFailed, { plan: planned });
    expect(result.decisions.map((one) => one.reason)).toContain("changed");
    expect(store.ids()).toEqual(["failed-1"]);
  });

  test("never removes a session that any interleaving touches before its removal", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.uniqueArray(fc.nat(9), { minLength: 1 }), async (s, touched) => {
        const store = storeOf(manyAged(10, "failed", 1));
        store.faults.before("remove", () => s.schedule(Promise.resolve()));
        const survivors = new Set<string>();
        const writer = s.scheduleSequence(
          touched.map((at) => async () => {
            const id = `failed-${at}`;
            if (!store.ids().includes(id)) return;
            store.touch(id);
            survivors.add(id);
          }),
        );
        const [result] = await s.waitFor(Promise.all([pass(store, allFailed), writer.task]));
        expect(store.ids()).toEqual([...survivors].sort());
        expect(result.removed).toBe(10 - survivors.size);
      }),
      { numRuns: 50 },
    );
  });

  test("one bad item is reported, and the others go", async () => {
    const store = storeOf(manyAged(5, "failed", 1));
    store.faults.before("remove", (id) => {
      if (id === "failed-2") throw new SessiondError("session_corrupt", "cannot be read");
      if (id === "failed-3") throw new TypeError("a bug");
    });
    const result = await pass(store, allFailed);
    expect(result).toMatchObject({ outcome: "done", removed: 3, kept: 2 });
    expect(result.failures.toSorted((a, b) => (a.session_id < b.session_id ? -1 : 1))).toEqual([
      { session_id: "failed-2", code: "session_corrupt", message: "cannot be read" },
      { session_id: "failed-3", code: "internal", message: "a bug" },
    ]);
    expect(ids(result.decisions, "keep")).toEqual(["failed-2", "failed-3"]);
  });

  test.each(["storage_full", "storage_failed", "shutting_down"] as const)("stops at %s", async (code) => {
    const store = storeOf(manyAged(100, "failed", 1));
    let removals = 0;
    store.faults.before("remove", () => {
      if (++removals > 20) throw new SessiondError(code, "no more");
    });
    const result = await pass(store, allFailed);
    expect(result).toMatchObject({ outcome: "stopped", total: 100, removed: 20 });
    expect(removals).toBeLessThan(40);
    expect(result.failures[0]).toMatchObject({ code, message: "no more" });
    expect(result.warnings).toEqual(["stopped early: no more"]);
    const reasons = new Set(result.decisions.map((one) => one.reason));
    expect(reasons).toEqual(new Set(["failed_past_max_age", "removal_failed", "not_reached"]));
    expect((await store.records.tail("history", 1000)).entries).toHaveLength(20);
  });

  test("stops when the history cannot be written, and says so", async () => {
    const store = storeOf(manyAged(500, "failed", 1));
    store.faults.fail("records.append", new SessiondError("storage_full", "the disk is full"));
    const result = await pass(store, allFailed);
    expect(result.outcome).toBe("stopped");
    expect(result.removed).toBeLessThan(100);
    expect(result.warnings.at(-1)).toMatch(/cannot write \d+ removals to the history: the disk is full/);
  });

  test("an abort ends it before the next removal", async () => {
    const store = storeOf(manyAged(100, "failed", 1));
    const stop = new AbortController();
    let removals = 0;
    store.faults.before("remove", () => {
      if (++removals === 10) stop.abort();
    });
    const result = await pass(store, allFailed, { signal: stop.signal });
    expect(result.outcome).toBe("stopped");
    expect(result.removed).toBe(removals);
    expect(removals).toBeLessThan(20);
    expect(store.ids()).toHaveLength(100 - removals);
    expect((await store.records.tail("history", 1000)).entries).toHaveLength(removals);
  });

  test("an abort after the last removal changes nothing", async () => {
    const store = storeOf(manyAged(1, "failed", 1));
    const stop = new AbortController();
    store.faults.before("remove", () => stop.abort());
    expect((await pass(store, allFailed, { signal: stop.signal })).outcome).toBe("done");
  });

  test("a plan that is held removes nothing, and says why of each", async () => {
    const store = storeOf(manyAged(12, "failed", 1));
    const result = await pass(store, allFailed, { hold: "too many" });
    expect(result).toMatchObject({ outcome: "waiting_approval", removed: 0, kept: 12, bytes: 0 });
    expect(result.decisions.every((one) => one.reason === "waiting_approval")).toBe(true);
    expect(result.warnings).toEqual(["waiting for approval: too many"]);
    expect(store.ids()).toHaveLength(12);
  });
});
