import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describePolicy, keepReasons, type Policy, plan, removeReasons } from "../../src/retention/policy.ts";
import { aged, dayMs, now, policies, stores } from "./sessions.ts";

const fixed = [
  aged("run-old", "running", 40),
  aged("run-new", "running", 0.5),
  aged("paused-31d", "paused", 31),
  aged("done-1d", "completed", 1),
  aged("done-2d", "completed", 2),
  aged("done-2d-too", "completed", 2),
  aged("done-60d", "completed", 60),
  aged("done-pinned", "completed", 90, { pinned: true }),
  aged("done-future", "completed", -3),
  aged("fail-now", "failed", 0),
  aged("fail-8d", "failed", 8),
  aged("fail-pinned", "failed", 99, { pinned: true }),
  aged("fail-unreadable", "failed", 0, { checkpoint_time: "yesterday" }),
];

function shown(policy: Policy): string[] {
  return plan(fixed, policy, now).decisions.map(
    ({ session_id, action, reason }) => `${session_id}: ${action} ${reason}`,
  );
}

describe("golden plans", () => {
  test("completed keeps the most recent; pins and future times take no place", () => {
    expect(shown({ name: "completed", keepRecent: 2 })).toEqual([
      "fail-unreadable: keep other_status",
      "done-future: keep time_in_future",
      "fail-now: keep other_status",
      "run-new: keep other_status",
      "done-1d: keep among_most_recent",
      "done-2d: keep among_most_recent",
      "done-2d-too: remove beyond_most_recent",
      "fail-8d: keep other_status",
      "paused-31d: keep other_status",
      "run-old: keep other_status",
      "done-60d: remove beyond_most_recent",
      "done-pinned: keep pinned",
      "fail-pinned: keep pinned",
    ]);
  });

  test("expired goes by the last activity, whatever the status", () => {
    expect(shown({ name: "expired", maxAgeMs: 30 * dayMs })).toEqual([
      "fail-unreadable: keep time_unreadable",
      "done-future: keep time_in_future",
      "fail-now: keep recent_activity",
      "run-new: keep recent_activity",
      "done-1d: keep recent_activity",
      "done-2d: keep recent_activity",
      "done-2d-too: keep recent_activity",
      "fail-8d: keep recent_activity",
      "paused-31d: remove no_recent_activity",
      "run-old: remove no_recent_activity",
      "done-60d: remove no_recent_activity",
      "done-pinned: keep pinned",
      "fail-pinned: keep pinned",
    ]);
  });

  test.each([
    [7, ["fail-8d"]],
    [8, ["fail-8d"]],
    [9, []],
    [0, ["fail-8d", "fail-now"]],
  ])("failed after %i days removes %j", (days, expected) => {
    const { removals } = plan(fixed, { name: "failed", maxAgeMs: days * dayMs }, now);
    expect(removals.map((removal) => removal.session_id)).toEqual(expected);
  });

  test("keeping none removes every completed session that has an age and no pin", () => {
    const { removals, bytes } = plan(fixed, { name: "completed", keepRecent: 0 }, now);
    expect(removals.map((removal) => removal.session_id)).toEqual([
      "done-60d",
      "done-2d-too",
      "done-2d",
      "done-1d",
    ]);
    expect(bytes).toBe(400);
  });

  test("unknown ages are warned about, with names, in one line each", () => {
    const { warnings } = plan(fixed, { name: "expired", maxAgeMs: dayMs }, now);
    expect(warnings).toEqual([
      "kept because of a checkpoint time in the future: done-future",
      "kept because of a checkpoint time that cannot be read: fail-unreadable",
    ]);
    const many = Array.from({ length: 8 }, (_, at) => aged(`f${at}`, "running", -1));
    expect(plan(many, { name: "expired", maxAgeMs: dayMs }, now).warnings).toEqual([
      "kept because of a checkpoint time in the future: f0, f1, f2, f3, f4 and 3 more",
    ]);
    expect(plan(fixed, { name: "failed", maxAgeMs: 0 }, now).warnings).toHaveLength(1);
  });

  test("age is counted to the microsecond", () => {
    const session = aged("s", "running", 1);
    const at = (micros: number) => plan([session], { name: "expired", maxAgeMs: dayMs }, now + micros);
    expect(at(0).removals).toHaveLength(1);
    expect(at(-1).removals).toHaveLength(0);
  });

  test.each<[Policy, string]>([
    [{ name: "completed", keepRecent: 10 }, "keep the 10 most recent completed sessions"],
    [{ name: "completed", keepRecent: 1 }, "keep the most recent completed session"],
    [{ name: "completed", keepRecent: 0 }, "remove all completed sessions"],
    [{ name: "expired", maxAgeMs: 30 * dayMs }, "remove sessions without activity for 30d"],
    [{ name: "failed", maxAgeMs: dayMs / 2 }, "remove failed sessions without activity for 12h"],
    [{ name: "failed", maxAgeMs: 0 }, "remove all failed sessions"],
  ])("%j is the rule: %s", (policy, sentence) => {
    expect(describePolicy(policy)).toBe(sentence);
  });
});

describe("laws of any plan", () => {
  test("every session is decided exactly once, with a documented reason", () => {
    fc.assert(
      fc.property(stores, policies, (sessions, policy) => {
        const { decisions, removals } = plan(sessions, policy, now);
        expect(decisions.map((one) => one.session_id).sort()).toEqual(
          sessions.map((one) => one.session_id).sort(),
        );
        for (const { action, reason } of decisions) {
          expect(Object.keys(action === "keep" ? keepReasons : removeReasons)).toContain(reason);
        }
        const removed = decisions.filter((one) => one.action === "remove").map((one) => one.session_id);
        expect(removals.map((one) => one.session_id)).toEqual(removed.reverse());
      }),
    );
  });

  test("a pinned session, and one from the future, is never removed", () => {
    fc.assert(
      fc.property(stores, policies, (sessions, policy) => {
        const kept = new Set(sessions.filter((one) => one.pinned).map((one) => one.session_id));
        for (const one of sessions)
          if (Date.parse(one.checkpoint_time) * 1000 > now) kept.add(one.session_id);
        expect(plan(sessions, policy, now).removals.filter((one) => kept.has(one.session_id))).toEqual([]);
      }),
    );
  });

  test("the order in which sessions come does not matter", () => {
    const shuffled = stores.chain((sessions) =>
      fc.tuple(
        fc.constant(sessions),
        fc.shuffledSubarray(sessions, { minLength: sessions.length, maxLength: sessions.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, policies, ([sessions, other], policy) => {
        expect(plan(other, policy, now)).toEqual(plan(sessions, policy, now));
      }),
    );
  });

  test("planning what a plan left removes nothing more", () => {
    fc.assert(
      fc.property(stores, policies, (sessions, policy) => {
        const removed = new Set(plan(sessions, policy, now).removals.map((one) => one.session_id));
        const left = sessions.filter((one) => !removed.has(one.session_id));
        expect(plan(left, policy, now).removals).toEqual([]);
      }),
    );
  });

  test("completed keeps as many as it says, and never one that is older than one it removes", () => {
    fc.assert(
      fc.property(stores, fc.nat(6), (sessions, keepRecent) => {
        const { decisions } = plan(sessions, { name: "completed", keepRecent }, now);
        const kept = decisions.filter((one) => one.reason === "among_most_recent");
        const removed = decisions.filter((one) => one.action === "remove");
        expect(kept).toHaveLength(Math.min(keepRecent, kept.length + removed.length));
        for (const gone of removed) {
          for (const one of kept) {
            expect((one.checkpoint_time as string) >= (gone.checkpoint_time as string)).toBe(true);
          }
        }
      }),
    );
  });

  test("an added pinned session changes nothing for the others", () => {
    fc.assert(
      fc.property(
        stores,
        policies,
        fc.double({ min: -2, max: 20, noNaN: true }),
        (sessions, policy, days) => {
          const pinned = aged("the-new-one", "completed", Math.round(days), { pinned: true });
          const before = plan(sessions, policy, now);
          const after = plan([...sessions, pinned], policy, now);
          expect(after.removals).toEqual(before.removals);
          expect(after.plan_id).toBe(before.plan_id);
        },
      ),
    );
  });

  test("a worker keeps its session, takes no place among the recent, and a pin counts first", () => {
    const leased = new Set(["done-1d", "done-60d", "run-old", "done-pinned"]);
    const reasons = (policy: Policy) =>
      Object.fromEntries(
        plan(fixed, policy, now, (id) => leased.has(id)).decisions.map((one) => [one.session_id, one.reason]),
      );
    expect(reasons({ name: "completed", keepRecent: 1 })).toMatchObject({
      "done-1d": "leased",
      "done-2d": "among_most_recent",
      "done-2d-too": "beyond_most_recent",
      "done-60d": "leased",
      "done-pinned": "pinned",
    });
    expect(reasons({ name: "expired", maxAgeMs: 30 * dayMs })).toMatchObject({
      "run-old": "leased",
      "paused-31d": "no_recent_activity",
    });
  });

  test("the plan id names the rule and the exact state of what is removed, and nothing else", () => {
    const policy: Policy = { name: "failed", maxAgeMs: dayMs };
    const id = (sessions = fixed, rule: Policy = policy) => plan(sessions, rule, now).plan_id;
    const changed = (name: string, change: object) =>
      fixed.map((one) => (one.session_id === name ? { ...one, ...change } : one));
    expect(id(changed("run-old", { revision: 7 }))).toBe(id());
    expect(plan(fixed, policy, now + 1000).plan_id).toBe(id());
    expect(id(changed("fail-8d", { revision: 2 }))).not.toBe(id());
    expect(id(changed("fail-8d", { generation: "another" }))).not.toBe(id());
    expect(id(fixed, { name: "failed", maxAgeMs: 2 * dayMs })).not.toBe(id());
    expect(id([...fixed, aged("fail-9d", "failed", 9)])).not.toBe(id());
  });
});
