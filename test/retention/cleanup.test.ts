import { afterEach, describe, expect, test } from "vitest";
import type { CleanupResult } from "../../src/contract/replies.ts";
import { SessiondError } from "../../src/error.ts";
import type { CleanupOptions } from "../../src/retention/options.ts";
import type { CleanupRequest } from "../../src/retention/request.ts";
import type { Clock } from "../../src/time/clock.ts";
import { newMemory } from "../support/memory-store/memory.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, cleanupOptions, cleanupOf as cleanupOver, manyAged, now, trashOptions } from "./sessions.ts";

let time = now;
const clock: Clock = { now: () => time++ };
afterEach(() => {
  time = now;
});

const cleanupOf = (store: AgedStore, options?: Partial<CleanupOptions>) => cleanupOver(store, clock, options);

function storeOf(...sessions: ReturnType<typeof manyAged>): AgedStore {
  return new AgedStore(clock, sessions);
}

const keepNone = { completed: { ...cleanupOptions.completed, keepRecent: 0 } };
const asked = (policy: CleanupRequest["policy"], more: Partial<CleanupRequest> = {}): CleanupRequest => ({
  policy,
  trigger: "request",
  ...more,
});
const scheduled = (policy: CleanupRequest["policy"]): CleanupRequest => ({ policy, trigger: "schedule" });
const reasonsOf = (result: CleanupResult) =>
  Object.fromEntries(result.decisions.map((one) => [one.session_id, one.reason]));

describe("a request", () => {
  test("runs without start, by the configured values or by its own", async () => {
    const store = storeOf(...manyAged(20, "completed", 1), ...manyAged(3, "failed", 1));
    const cleanup = cleanupOf(store);
    expect(await cleanup.run(asked("completed"))).toMatchObject({ removed: 10, outcome: "done" });
    expect(await cleanup.run(asked("completed", { keepRecent: 4 }))).toMatchObject({
      removed: 6,
      rule: "keep the 4 most recent completed sessions",
    });
    expect((await cleanup.run(asked("failed"))).removed).toBe(0);
    expect((await cleanup.run(asked("failed", { maxAgeMs: 0 }))).removed).toBe(3);
    expect(store.ids()).toHaveLength(4);
  });

  test.each<[CleanupRequest, string]>([
    [asked("completed", { maxAgeMs: 1 }), "max_age"],
    [asked("expired", { keepRecent: 1 }), "keep_recent"],
    [asked("failed", { keepRecent: 1 }), "keep_recent"],
    [asked("completed", { keepRecent: -1 }), "keep_recent"],
    [asked("completed", { keepRecent: 1.5 }), "keep_recent"],
    [asked("expired", { maxAgeMs: Number.NaN }), "max_age"],
  ])("%j is refused", async (request, path) => {
    const store = storeOf(...manyAged(20, "completed", 90));
    await expect(cleanupOf(store).run(request)).rejects.toMatchObject({
      code: "invalid_request",
      issues: [{ path }],
    });
    expect(store.ids()).toHaveLength(20);
  });

  test("is not limited", async () => {
    const store = storeOf(...manyAged(50, "completed", 1));
    const result = await cleanupOf(store).run(asked("completed", { keepRecent: 0 }));
    expect(result).toMatchObject({ outcome: "done", removed: 50 });
  });

  test("two at once run one after the other", async () => {
    const store = storeOf(...manyAged(30, "failed", 40));
    store.faults.before("remove", () => new Promise((resolve) => setImmediate(resolve)));
    const cleanup = cleanupOf(store);
    const results = await Promise.all([
      cleanup.run(asked("failed")),
      cleanup.run(asked("expired")),
      cleanup.run(asked("failed")),
    ]);
    // The second was planned only when the first had removed everything.
    expect(results.map((result) => [result.total, result.removed])).toEqual([
      [30, 30],
      [0, 0],
      [0, 0],
    ]);
  });
});

describe("a scheduled pass above the limit", () => {
  test("a typo for keep_recent removes nothing, and waits for one approval", async () => {
    const store = storeOf(...manyAged(30, "completed", 1), ...manyAged(5, "running", 1));
    const cleanup = cleanupOf(store, keepNone);
    const held = await cleanup.run(scheduled("completed"));
    expect(held).toMatchObject({ outcome: "waiting_approval", removed: 0, kept: 35, total: 35 });
    expect(store.ids()).toHaveLength(35);

    const [job] = await cleanup.schedules();
    expect(job).toMatchObject({
      job: "completed",
      last_run: { outcome: "waiting_approval", trigger: "schedule", removed: 0 },
      waiting: {
        plan_id: held.plan_id,
        remove: 30,
        total: 35,
        why: "it would remove 30 of 35 sessions; max_delete_ratio is 0.5",
      },
    });
    expect(await cleanup.health()).toMatchObject([
      { code: "cleanup_waiting_approval", hint: expect.stringMatching(/--approve \w+ --yes/) },
    ]);

    expect(await cleanup.run(asked("completed", { approve: held.plan_id }))).toMatchObject({
      outcome: "done",
      removed: 30,
      plan_id: held.plan_id,
    });
    expect(store.ids()).toHaveLength(5);
    expect((await cleanup.schedules())[0]?.waiting).toBeNull();
    expect(await cleanup.health()).toEqual([]);

    const again = cleanup.run(asked("completed", { approve: held.plan_id }));
    await expect(again).rejects.toMatchObject({ code: "approval_required" });
  });

  test("carries out exactly the list that was approved, each as it was", async () => {
    const store = storeOf(...manyAged(20, "completed", 5));
    const cleanup = cleanupOf(store, keepNone);
    const held = await cleanup.run(scheduled("completed"));
    store.touch("completed-0");
    store.touch("completed-1", { pinned: true });
    await store.remove("completed-2" as never, { reason: "somebody" });
    store.touch("completed-3", { generation: "created again" });
    store.put(aged("new", "completed", 1));
    const bytes = await store.bytesOf(...Array.from({ length: 16 }, (_, at) => `completed-${at + 4}`));
    const result = await cleanup.run(asked("completed", { approve: held.plan_id }));
    expect(result).toMatchObject({ outcome: "done", removed: 16, kept: 5, total: 21, bytes });
    expect(reasonsOf(result)).toMatchObject({
      "completed-0": "changed",
      "completed-1": "changed",
      "completed-2": "changed",
      "completed-3": "changed",
      "completed-4": "beyond_most_recent",
      new: "not_approved",
    });
    expect(store.ids()).toEqual(["completed-0", "completed-1", "completed-3", "new"]);
  });

  test("keeps a session that was created again, even at the revision that was approved", async () => {
    const sessions = manyAged(20, "completed", 5);
    const first = storeOf(...sessions);
    const { plan_id } = await cleanupOf(first, keepNone).run(scheduled("completed"));
    const again = sessions.map((one, at) => (at === 3 ? { ...one, generation: "created again" } : one));
    const { documents } = first.memory;
    const second = new AgedStore(clock, again, { ...newMemory(), documents });
    const result = await cleanupOf(second, keepNone).run(asked("completed", { approve: plan_id }));
    expect(result).toMatchObject({ outcome: "done", removed: 19 });
    expect(reasonsOf(result)).toMatchObject({ "completed-3": "changed" });
    expect(second.ids()).toEqual(["completed-3"]);
  });

  test("any other approval is refused, and names the plan that waits", async () => {
    const store = storeOf(...manyAged(20, "completed", 5), ...manyAged(20, "failed", 9));
    const cleanup = cleanupOf(store, { ...keepNone, maxDeleteRatio: 0.1 });
    const held = await cleanup.run(scheduled("completed"));
    for (const request of [
      asked("completed", { approve: "0123456789ab" }),
      asked("completed", { approve: held.plan_id, keepRecent: 3 }),
    ]) {
      await expect(cleanup.run(request)).rejects.toMatchObject({
        code: "approval_required",
        message: expect.stringContaining(`"${held.plan_id}"`) as string,
      });
    }
    const other = cleanup.run(asked("failed", { approve: held.plan_id }));
    await expect(other).rejects.toMatchObject({
      code: "approval_required",
      message: expect.stringContaining("no plan of the policy failed is waiting") as string,
    });
    expect(store.ids()).toHaveLength(40);
    expect((await cleanup.schedules())[0]?.waiting?.plan_id).toBe(held.plan_id);
  });

  test("a dry run can be approved too, as long as it would be the same", async () => {
    const store = storeOf(...manyAged(5, "completed", 5));
    const cleanup = cleanupOf(store, keepNone);
    const dry = await cleanup.run(asked("completed", { dryRun: true }));
    store.touch("completed-3");
    const changed = cleanup.run(asked("completed", { approve: dry.plan_id }));
    await expect(changed).rejects.toMatchObject({ code: "approval_required" });
    const next = await cleanup.run(asked("completed", { dryRun: true }));
    time += 3_600_000_000;
    expect(await cleanup.run(asked("completed", { approve: next.plan_id }))).toMatchObject({ removed: 5 });
  });

  test("a dry run of the plan that waits does not use the approval up", async () => {
    const store = storeOf(...manyAged(20, "completed", 5));
    const cleanup = cleanupOf(store, keepNone);
    const { plan_id } = await cleanup.run(scheduled("completed"));
    store.put(aged("new", "completed", 1));
    const dry = await cleanup.run(asked("completed", { approve: plan_id, dryRun: true }));
    expect(dry).toMatchObject({ outcome: "planned", removed: 20, plan_id });
    expect(await cleanup.run(asked("completed", { approve: plan_id }))).toMatchObject({ removed: 20 });
  });

  test("the plan waits through a restart, and not past a change of the rule", async () => {
    const store = storeOf(...manyAged(20, "completed", 5));
    const first = cleanupOf(store, keepNone);
    const { plan_id } = await first.run(scheduled("completed"));

    const second = cleanupOf(store, keepNone);
    expect((await second.schedules())[0]?.waiting?.plan_id).toBe(plan_id);
    await second.configure({ ...cleanupOptions, ...keepNone, maxDeleteRatio: 0.4 }, trashOptions);
    expect((await second.schedules())[0]?.waiting?.plan_id).toBe(plan_id);
    await second.configure(cleanupOptions, trashOptions);
    expect((await second.schedules())[0]?.waiting).toBeNull();
    const late = second.run(asked("completed", { approve: plan_id, keepRecent: 0 }));
    expect((await late).removed).toBe(20); // The same list under the same rule, asked for in so many words.

    const third = cleanupOf(store);
    await third.start();
    expect((await third.schedules())[0]?.waiting).toBeNull();
  });

  test("a later pass replaces the plan, or settles it", async () => {
    const store = storeOf(...manyAged(20, "completed", 5));
    const cleanup = cleanupOf(store, keepNone);
    const first = await cleanup.run(scheduled("completed"));
    const { since } = (await cleanup.schedules())[0]?.waiting ?? {};
    time += 1_000_000;
    await cleanup.run({ policy: "completed", trigger: "catch_up" });
    expect((await cleanup.schedules())[0]?.waiting).toMatchObject({ plan_id: first.plan_id, since });
    store.put(aged("new", "completed", 1));
    const second = await cleanup.run(scheduled("completed"));
    expect((await cleanup.schedules())[0]?.waiting).toMatchObject({ plan_id: second.plan_id, remove: 21 });
    for (const session of manyAged(100, "running", 1)) store.put(session);
    expect(await cleanup.run(scheduled("completed"))).toMatchObject({ outcome: "done", removed: 21 });
    expect((await cleanup.schedules())[0]?.waiting).toBeNull();
  });

  test.each([
    [2, 0, { maxDeleteRatio: 0 }, "done"],
    [3, 0, { maxDeleteRatio: 0 }, "waiting_approval"],
    [10, 0, { maxDeleteRatio: 0.5 }, "waiting_approval"],
    [3, 3, { maxDeleteRatio: 0.5 }, "done"],
    [4, 3, { maxDeleteRatio: 0.5 }, "waiting_approval"],
    [11, 11, { maxDeleteRatio: 0.5 }, "done"],
    [12, 11, { maxDeleteRatio: 0.5 }, "waiting_approval"],
    [12, 0, { maxDeleteRatio: 1 }, "done"],
    [12, 0, { maxDeleteRatio: 1, maxDeleteCount: 12 }, "done"],
    [12, 0, { maxDeleteRatio: 1, maxDeleteCount: 11 }, "waiting_approval"],
    [2, 0, { maxDeleteRatio: 1, maxDeleteCount: 1 }, "waiting_approval"],
    [1, 0, { maxDeleteRatio: 1, maxDeleteCount: 1 }, "done"],
  ])("%i of them beside %i others, with %j: %s", async (remove, others, limits, outcome) => {
    const store = storeOf(...manyAged(remove, "completed", 5), ...manyAged(others, "running", 1));
    const result = await cleanupOf(store, { ...keepNone, ...limits }).run(scheduled("completed"));
    expect(result.outcome).toBe(outcome);
  });

  test("an approval that cannot be made durable is not given", async () => {
    const store = storeOf(...manyAged(20, "completed", 5));
    const cleanup = cleanupOf(store, keepNone);
    const { plan_id } = await cleanup.run(scheduled("completed"));
    store.faults.fail("records.replace", new SessiondError("storage_full", "the disk is full"));
    const approved = cleanup.run(asked("completed", { approve: plan_id }));
    await expect(approved).rejects.toMatchObject({ code: "storage_full" });
    expect(store.ids()).toHaveLength(20);
  });
});

describe("what is told afterwards", () => {
  test("history, newest first, by pages and by session", async () => {
    const store = storeOf(...manyAged(7, "failed", 9));
    const cleanup = cleanupOf(store);
    for (let round = 0; round < 3; round++) {
      if (round > 0) store.put(aged("failed-3", "failed", 9, { generation: `again-${round}` }));
      await cleanup.run(asked("failed"));
      time += 60_000_000;
    }
    const all = await cleanup.history({ limit: 100 });
    expect(all.entries).toHaveLength(9);
    expect(all.next_cursor).toBeNull();
    expect(all.entries.map((entry) => entry.time)).toEqual(
      all.entries
        .map((entry) => entry.time)
        .sort()
        .reverse(),
    );
    const first = await cleanup.history({ limit: 4 });
    const second = await cleanup.history({ limit: 100, cursor: first.next_cursor ?? "" });
    expect([...first.entries, ...second.entries]).toEqual(all.entries);

    const three = all.entries.filter((entry) => entry.session_id === "failed-3");
    expect(three).toHaveLength(3);
    const newest = await cleanup.history({ session_id: "failed-3", limit: 2 });
    expect(newest.entries).toEqual(three.slice(0, 2));
    store.put(aged("failed-3", "failed", 9, { generation: "once more" }));
    await cleanup.run(asked("failed"));
    const rest = await cleanup.history({
      session_id: "failed-3",
      limit: 2,
      cursor: newest.next_cursor ?? "",
    });
    expect(rest).toEqual({ entries: three.slice(2), next_cursor: null });

    expect(await cleanup.history({ session_id: "nobody" })).toEqual({ entries: [], next_cursor: null });
    const lost = cleanup.history({ session_id: "failed-3", cursor: "x" });
    await expect(lost).rejects.toMatchObject({ code: "invalid_request" });
  });

  test("a line that nobody knows is passed over", async () => {
    const store = storeOf(...manyAged(1, "failed", 9));
    await store.records.append("history", [{ from: "the future" }, null]);
    const cleanup = cleanupOf(store);
    await cleanup.run(asked("failed"));
    expect((await cleanup.history()).entries).toHaveLength(1);
  });

  test("health tells of future times while there are any", async () => {
    const store = storeOf(...manyAged(150, "running", 5), aged("ahead", "running", -1));
    const cleanup = cleanupOf(store);
    expect(await cleanup.health()).toMatchObject([
      { code: "checkpoint_time_in_future", session_id: "ahead", message: expect.stringContaining("ahead") },
    ]);
    store.put(aged("ahead too", "running", -2));
    expect(await cleanup.health()).toMatchObject([{ code: "checkpoint_time_in_future", session_id: null }]);
    store.touch("ahead", { checkpoint_time: "2026-01-01T00:00:00Z" });
    store.touch("ahead too", { checkpoint_time: "2026-01-01T00:00:00Z" });
    expect(await cleanup.health()).toEqual([]);
  });

  test("health tells of a run that failed, until one succeeds", async () => {
    const store = storeOf(...manyAged(3, "failed", 9));
    const cleanup = cleanupOf(store);
    store.faults.fail("remove", new SessiondError("storage_full", "the disk is full"));
    await cleanup.run(asked("failed"));
    expect(await cleanup.health()).toMatchObject([
      { code: "cleanup_failed", message: expect.stringContaining("the disk is full") },
    ]);
    store.faults.before("remove");
    await cleanup.run(asked("failed"));
    expect(await cleanup.health()).toEqual([]);
  });

  test("each job, its rule and its last run, also before start", async () => {
    const store = storeOf(...manyAged(3, "failed", 9));
    const cleanup = cleanupOf(store, { expired: { ...cleanupOptions.expired, enabled: false } });
    await cleanup.run(asked("failed", { dryRun: true }));
    expect((await cleanup.schedules()).map((job) => [job.job, job.enabled, job.rule, job.last_run])).toEqual([
      ["completed", true, "keep the 10 most recent completed sessions", null],
      ["expired", false, "remove sessions without activity for 30d", null],
      ["failed", true, "remove failed sessions without activity for 7d", null],
      ["trash", true, "permanently delete sessions that have been in the trash for 7d", null],
    ]);
    await cleanup.run(asked("failed"));
    expect((await cleanup.schedules())[2]?.last_run).toMatchObject({
      outcome: "done",
      trigger: "request",
      removed: 3,
      kept: 0,
    });
  });
});

describe("stopping", () => {
  test("ends the pass under way and refuses the next", async () => {
    const store = storeOf(...manyAged(100, "failed", 9));
    const cleanup = cleanupOf(store);
    let stopped: Promise<void> | undefined;
    store.faults.before("remove", () => {
      stopped ??= cleanup.stop();
    });
    const [first, second] = await Promise.allSettled([
      cleanup.run(asked("failed")),
      cleanup.run(asked("expired")),
    ]);
    await stopped;
    expect(first).toMatchObject({ value: { outcome: "stopped" } });
    expect(second).toMatchObject({ reason: { code: "shutting_down" } });
    expect(store.ids().length).toBeGreaterThan(80);
    await expect(cleanup.run(asked("failed"))).rejects.toMatchObject({ code: "shutting_down" });
  });

  test("waits until the history is written", async () => {
    const store = storeOf(...manyAged(3, "failed", 9));
    const cleanup = cleanupOf(store);
    const running = cleanup.run(asked("failed"));
    await cleanup.stop();
    const removed = 3 - store.ids().length;
    expect((await store.records.tail("history", 10)).entries).toHaveLength(removed);
    await running;
  });
});

test("ten thousand sessions do not hold the event loop, though the store answers at once", async () => {
  const store = storeOf(...manyAged(5000, "completed", 1), ...manyAged(5000, "failed", 1));
  const cleanup = cleanupOf(store);
  let turns = 0;
  let ended = false;
  const turn = () => {
    turns++;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await cleanup.run(asked("completed", { keepRecent: 0 }));
  ended = true;
  expect(store.ids()).toHaveLength(5000);
  // Counted, not timed: a busy machine makes each turn longer, and the turns more.
  expect(turns).toBeGreaterThan(5);
});
