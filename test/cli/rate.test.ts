/** Rates, ETAs and the words for both, without a clock. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { etaMs, observe, perSecond, type Rate, startRate } from "../../src/cli/progress/rate.ts";
import { ageText, rateText, timeText } from "../../src/cli/progress/wording.ts";

/** Counts seen one after another: how long after the one before, and how many more. */
const sightings = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(5000), fc.double({ min: 0, max: 1e7, noNaN: true })),
    more: fc.oneof(fc.nat(50), fc.nat(1e6)),
  }),
  { minLength: 1, maxLength: 60 },
);

function seeAll(rate: Rate, seen: readonly { afterMs: number; more: number }[]): Rate {
  let [atMs, count] = [rate.atMs, rate.count];
  return seen.reduce((before, { afterMs, more }) => {
    atMs += afterMs;
    count += more;
    return observe(before, atMs, count);
  }, rate);
}

const steady = (rate: Rate, everyMs: number, times: number) =>
  seeAll(rate, Array<{ afterMs: number; more: number }>(times).fill({ afterMs: everyMs, more: 1 }));

describe("a rate", () => {
  it("is a number between the slowest and the fastest interval, or unknown", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), sightings, (atMs, count, seen) => {
        const value = perSecond(seeAll(startRate(atMs, count), seen));
        if (value === undefined) return;
        // Intervals as they are told apart by a clock: those without length belong to the next one.
        const rates: number[] = [];
        let [at, more, last] = [atMs, 0, atMs];
        for (const interval of seen) {
          at += interval.afterMs;
          more += interval.more;
          if (at === last) continue;
          rates.push((more / (at - last)) * 1000);
          [last, more] = [at, 0];
        }
        expect(value).toBeGreaterThanOrEqual(Math.min(...rates) * 0.999);
        expect(value).toBeLessThanOrEqual(Math.max(...rates) * 1.001);
      }),
    );
  });

  it("is a number after the shortest interval that a number can hold", () => {
    const seen = [
      { afterMs: Number.MIN_VALUE, more: 0 },
      { afterMs: 1988, more: 0 },
      { afterMs: 12, more: 3 },
    ];
    expect(perSecond(seeAll(startRate(0, 0), seen))).toBeCloseTo(1.5, 1);
  });

  it("is unknown until there is enough to tell", () => {
    const start = startRate(0, 500);
    expect(perSecond(start)).toBeUndefined();
    expect(perSecond(observe(start, 1000, 700))).toBeUndefined();
    expect(perSecond(observe(start, 60_000, 502))).toBeUndefined();
    expect(perSecond(observe(start, 60_000, 503))).toBeCloseTo(0.05);
  });

  it("ignores what was done before it started", () => {
    fc.assert(
      fc.property(fc.nat(1e9), sightings, (restored, seen) => {
        expect(perSecond(seeAll(startRate(0, restored), seen))).toEqual(
          perSecond(seeAll(startRate(0, 0), seen)),
        );
      }),
    );
  });

  it("does not jump when work pauses for a moment, or a batch is done at once", () => {
    const before = steady(startRate(0, 0), 100, 300);
    expect(perSecond(before)).toBeCloseTo(10);
    expect(perSecond(observe(before, before.atMs + 1000, before.count))).toBeGreaterThan(9);
    expect(perSecond(observe(before, before.atMs + 100, before.count + 10))).toBeLessThan(11);
  });

  it("follows a lasting change, up and down", () => {
    const before = steady(startRate(0, 0), 100, 600);
    expect(perSecond(steady(before, 1000, 90))).toBeLessThan(1.5);
    expect(perSecond(steady(before, 10, 6000))).toBeGreaterThan(90);
    const stalled = perSecond(observe(before, before.atMs + 600_000, before.count));
    expect(stalled).toBeLessThan(0.5);
    expect(stalled).toBeGreaterThan(0);
  });

  it("is steady for work that is slow and comes in batches", () => {
    // Eight at a time, a minute each.
    let rate = startRate(0, 0);
    const seen: number[] = [];
    for (let second = 1; second <= 1800; second++) {
      rate = observe(rate, second * 1000, Math.floor(second / 60) * 8);
      if (second > 600) seen.push((perSecond(rate) as number) * 60);
    }
    expect(Math.min(...seen)).toBeGreaterThan(5.5);
    expect(Math.max(...seen)).toBeLessThan(10.5);
  });

  it("starts over when the count goes back, and survives a clock that goes back", () => {
    const rate = steady(startRate(0, 0), 100, 100);
    expect(perSecond(observe(rate, rate.atMs + 100, 3))).toBeUndefined();
    expect(observe(rate, rate.atMs - 1000, rate.count + 5)).toBe(rate);
    expect(observe(rate, Number.NaN, rate.count + 5)).toBe(rate);
  });
});

describe("an ETA", () => {
  it("is a time, or unknown", () => {
    expect(etaMs(2, 10)).toBe(5000);
    expect(etaMs(undefined, 10)).toBeUndefined();
    expect(etaMs(0, 10)).toBeUndefined();
    expect(etaMs(undefined, 0)).toBe(0);
    expect(etaMs(1e-9, 1e6)).toBeUndefined();
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true }), fc.integer({ min: 0 }), (rate, rest) => {
        const eta = etaMs(rate, rest);
        if (eta !== undefined) expect(eta >= 0 && eta <= 99 * 86_400_000).toBe(true);
      }),
    );
  });
});

describe("words", () => {
  it.each([
    [undefined, "-"],
    [0, "0/h"],
    [0.00001, "0/h"],
    [0.0007, "2.5/h"],
    [0.005, "18/h"],
    [0.07, "4.2/min"],
    [0.5, "30/min"],
    [0.994, "60/min"],
    [1, "1.0/s"],
    [12.34, "12.3/s"],
    [99.96, "100/s"],
    [1234, "1234/s"],
    [12_345, "12k/s"],
    [5e6, "5M/s"],
    [Number.MAX_VALUE, "999M/s"],
  ])("%s a second is %s", (rate, text) => {
    expect(rateText(rate, "-")).toBe(text);
  });

  it.each([
    [undefined, "-"],
    [0, "0s"],
    [45_400, "45s"],
    [59_600, "1m 00s"],
    [200_000, "3m 20s"],
    [7_500_000, "2h 05m"],
    [97_200_000, "1d 3h"],
    [99 * 86_400_000, "99d 0h"],
  ])("%s ms are %s", (ms, text) => {
    expect(timeText(ms, "-")).toBe(text);
  });

  it.each([
    [0, "now"],
    [45_000, "45s"],
    [200_000, "3m"],
    [7_500_000, "2h"],
    [86_400_000 * 12, "12d"],
  ])("something from %s ms ago is %s old", (ms, text) => {
    expect(ageText(ms)).toBe(text);
  });

  it("never need more columns than they may", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, noNaN: true }),
        fc.double({ min: 0, max: 99 * 86_400_000, noNaN: true }),
        (rate, ms) => {
          expect(rateText(rate, "-").length).toBeLessThanOrEqual(7);
          expect(timeText(ms, "-").length).toBeLessThanOrEqual(7);
          expect(rateText(rate, "-") + timeText(ms, "-")).not.toMatch(/NaN|Infinity|-/);
        },
      ),
    );
  });
});
