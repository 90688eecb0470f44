/**
 * Tests how calls to a service are paced: what always holds, and how well it does with services of many
 * kinds.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Call, Pacing } from "../../src/pacing/pacing.ts";
import { isLong, runs } from "../support/runs.ts";
import { bestMs, randomFrom, type Service, simulate } from "./simulated-service.ts";

const seeds = isLong ? 20 : 2;
const dayMs = 86_400_000;
const usual: Service = {
  calls: 1000,
  atMost: 8,
  bucket: { size: 20, perSecond: 20 },
  callMs: 100,
  namesTime: true,
  seed: 1,
};

/** Each service with its bars: the most refusals for 100 calls, and times the best possible time. */
const services: [what: string, Partial<Service>, refusals: number, times: number][] = [
  ["a bucket of 20, filled with 20 a second", {}, 4, 1.1],
  ["a service that refuses at once", { refusalMs: 5 }, 4, 1.1],
  ["a service that names no time", { namesTime: false }, 4, 1.1],
  ["a burst of 300", { bucket: { size: 300, perSecond: 20 } }, 4, 1.1],
  ["a rate that 8 calls at once can use up", { bucket: { size: 20, perSecond: 60 } }, 2, 1.4],
  ["a rate higher than the calls can use", { bucket: { size: 20, perSecond: 100 } }, 0, 1.13],
  ["64 calls at once", { atMost: 64, calls: 3000 }, 5, 1.1],
  ["long calls, of which 64 at once are too many", { atMost: 64, callMs: 1000 }, 9, 1.4],
  ["one call a second", { bucket: { size: 1, perSecond: 1 }, calls: 300 }, 9, 1.25],
  ["3 calls a minute", { bucket: { size: 3, perSecond: 0.05 }, calls: 100 }, 25, 1.05],
  [
    "3 calls a minute, no time named",
    { bucket: { size: 3, perSecond: 0.05 }, calls: 100, namesTime: false },
    45,
    1.05,
  ],
  ["3 calls at once", { mostAtOnce: 3, bucket: { size: 1e6, perSecond: 1e6 } }, 3, 2],
];

describe.each(services)("%s", (_what, changes, refusals, times) => {
  test(`at most ${refusals} % refusals and ${times} × the best time`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const service = { ...usual, ...changes, seed };
      const { tookMs, refused } = simulate(service);
      expect((100 * refused) / service.calls).toBeLessThanOrEqual(refusals);
      expect(tookMs / bestMs(service)).toBeLessThanOrEqual(times);
    }
  });
});

test.each([
  ["at once", [0, 3_600_000]],
  ["in the middle", [20_000, 3_620_000]],
] as const)(
  "a service that goes down for an hour, %s, is asked seldom, and used again within 10 min",
  (_when, down) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const service: Service = { ...usual, down, calls: 2000, seed };
      const { tookMs, refused, refusedWhileDown } = simulate(service);
      expect(refusedWhileDown).toBeLessThan(40);
      expect(refused).toBeLessThan(100);
      expect(tookMs - bestMs(service)).toBeLessThan(600_000);
    }
  },
);

test("several refusals of calls that began before the slow-down count once", () => {
  const pacing = newPacing(8);
  const calls = Array.from({ length: 8 }, () => pacing.begin(0));
  for (const [at, call] of calls.entries()) {
    pacing.refused(call, 100 + at, undefined);
    expect(pacing.atOnce).toBe(4);
    expect(pacing.slowed(100)?.waitsUntilMs).toBe(1100);
  }
});

test("a late refusal that names a time lengthens the wait", () => {
  const pacing = newPacing(2);
  const calls = [pacing.begin(0), pacing.begin(0)] as const;
  pacing.refused(calls[0], 100, 2000);
  pacing.refused(calls[1], 200, 30_000);
  expect(pacing.startsInMs(200)).toBe(30_000);
  expect(pacing.slowed(200)).toEqual({ atOnce: 1, waitsUntilMs: 30_200, isAsked: true });
});

test("without a success the wait doubles from 1 s to 5 min; a success starts it anew", () => {
  const pacing = newPacing(1);
  let nowMs = 0;
  const refusal = () => {
    pacing.refused(pacing.begin(nowMs), nowMs, undefined);
    const waitMs = pacing.startsInMs(nowMs);
    nowMs += waitMs;
    return waitMs / 1000;
  };
  expect(Array.from({ length: 11 }, refusal)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  pacing.succeeded(pacing.begin(nowMs));
  pacing.succeeded(pacing.begin(nowMs));
  expect(refusal()).toBeLessThanOrEqual(150);
});

test("a time of 0 names no time", () => {
  const pacing = newPacing(1);
  pacing.refused(pacing.begin(0), 0, 0);
  expect(pacing.startsInMs(0)).toBe(1000);
});

test("after the longest time without a success it gives up, and not before one more try", () => {
  const pacing = newPacing(1, 10_000);
  pacing.refused(pacing.begin(0), 0, 3_600_000);
  expect(pacing.isGivenUp).toBe(false);
  expect(pacing.startsInMs(0)).toBe(10_000);
  pacing.refused(pacing.begin(10_000), 10_000, 3_600_000);
  expect(pacing.isGivenUp).toBe(true);
});

test("time in which nobody was to call puts off giving up", () => {
  const pacing = newPacing(1, 10_000);
  pacing.rested(1000);
  pacing.refused(pacing.begin(0), 0, undefined);
  pacing.rested(60_000);
  pacing.refused(pacing.begin(65_000), 65_000, undefined);
  expect(pacing.isGivenUp).toBe(false);
  pacing.refused(pacing.begin(70_000), 70_000, undefined);
  expect(pacing.isGivenUp).toBe(true);
});

test("a success puts off giving up", () => {
  const pacing = newPacing(2, 10_000);
  pacing.refused(pacing.begin(0), 0, undefined);
  pacing.succeeded(pacing.begin(5000));
  pacing.refused(pacing.begin(12_000), 12_000, undefined);
  expect(pacing.isGivenUp).toBe(false);
});

test("a failure is no sign of health: it speeds nothing up, and does not put off giving up", () => {
  const pacing = newPacing(2, 10_000);
  pacing.refused(pacing.begin(0), 0, undefined);
  for (let at = 0; at < 20; at++) {
    pacing.begin(5000);
    pacing.failed();
  }
  expect(pacing.atOnce).toBe(1);
  pacing.refused(pacing.begin(10_000), 10_000, undefined);
  expect(pacing.isGivenUp).toBe(true);
});

/** What happens next: time passes, or the oldest call that is under way ends. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ passesMs: fc.nat(5000) }) },
  { weight: 2, arbitrary: fc.constant("success" as const) },
  { weight: 1, arbitrary: fc.constantFrom("failure" as const, "dropped" as const) },
  { weight: 2, arbitrary: fc.record({ asksMs: fc.option(fc.nat(100_000), { nil: undefined }) }) },
);

test("never too many at once, never before the time that was named, and all comes back to normal", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 200 }),
      fc.nat(),
      (atMost, steps, seed) => {
        const pacing = new Pacing({ atMost, maxDeferMs: dayMs, random: randomFrom(seed) });
        const underWay: Call[] = [];
        let nowMs = 0;
        let earliestMs = 0;
        const startAll = () => {
          while (pacing.startsInMs(nowMs) === 0) {
            if (nowMs < earliestMs) throw new Error(`a call at ${nowMs}, although ${earliestMs} was named`);
            underWay.push(pacing.begin(nowMs));
            if (underWay.length > atMost) throw new Error(`more than ${atMost} calls at once`);
          }
        };
        for (const one of steps) {
          startAll();
          if (typeof one === "object" && "passesMs" in one) {
            nowMs += one.passesMs;
            continue;
          }
          const call = underWay.shift();
          if (call === undefined) continue;
          if (one === "success") pacing.succeeded(call);
          else if (one === "failure") pacing.failed();
          else if (one === "dropped") pacing.dropped();
          else {
            earliestMs = Math.max(earliestMs, nowMs + (one.asksMs ?? 0));
            pacing.refused(call, nowMs, one.asksMs);
          }
          if (pacing.atOnce < 1) throw new Error(`${pacing.atOnce} at once`);
        }
        for (const call of underWay.splice(0)) pacing.succeeded(call);
        // From now on the service takes everything, and each call lasts until no other may begin beside it.
        for (let round = 0; round < 4000 && pacing.slowed(nowMs) !== undefined; round++) {
          for (let inMs = 0; Number.isFinite(inMs); inMs = pacing.startsInMs(nowMs)) {
            nowMs += inMs + 0.001;
            startAll();
          }
          for (const call of underWay.splice(0)) pacing.succeeded(call);
        }
        expect(pacing.slowed(nowMs)).toBeUndefined();
      },
    ),
    runs(50, 2000),
  );
});

/** Without jitter. */
function newPacing(atMost: number, maxDeferMs = dayMs): Pacing {
  return new Pacing({ atMost, maxDeferMs, random: () => 0 });
}
