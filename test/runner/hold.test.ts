/** The time of a run that is held. */
import { expect, test } from "vitest";
import { Pace } from "../../src/cli/progress/pace.ts";
import { Hold } from "../../src/runner/hold.ts";
import { workedMs } from "../../src/runner/snapshot.ts";
import { progressOf } from "../cli/sample-progress.ts";

const snapshotOf = (hold: Hold) => ({
  startedMs: 1000,
  hold: hold.held && { ...hold.held, reason: undefined },
  heldMs: hold.earlierMs,
});

test("the time in which a held run has no command running is no time of work", () => {
  const hold = new Hold();
  const worked = (nowMs: number) => workedMs(snapshotOf(hold), nowMs);
  hold.idle(2000);
  expect(worked(3000)).toBe(2000);
  hold.begin(4000);
  expect(worked(5000)).toBe(4000);
  hold.idle(6000);
  hold.idle(7000);
  expect([worked(6000), worked(60_000)]).toEqual([5000, 5000]);
  expect(hold.end(10_000)).toBe(6000);
  expect([worked(10_000), worked(12_000)]).toEqual([5000, 7000]);
  expect(hold.end(12_000)).toBeUndefined();
  hold.begin(12_000);
  hold.begin(13_000);
  expect(hold.held).toEqual({ sinceMs: 12_000, idleSinceMs: undefined });
  expect(hold.end(14_000)).toBe(2000);
  expect(worked(15_000)).toBe(10_000);
});

test("the rate of a run is what it was before the hold", () => {
  const pace = new Pace();
  for (let second = 0; second <= 10; second++) {
    pace.see(progressOf({ done: 5 * second }), 1000 * second);
  }
  const before = pace.perSecond(10_000) as number;
  expect(before).toBeGreaterThan(4.9);
  const held = progressOf({ done: 50, hold: { sinceMs: 10_000, idleSinceMs: 10_000, reason: undefined } });
  for (let second = 11; second < 4000; second += 100) pace.see(held, 1000 * second);
  const after = progressOf({ done: 55, heldMs: 3_989_000, nowMs: 4_000_000 });
  pace.see(after, 4_000_000);
  expect(pace.perSecond(4_000_000)).toBeCloseTo(before, 1);
  expect(pace.overall(after)).toBeCloseTo(5, 1);
});
