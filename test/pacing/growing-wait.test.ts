/** Tests waits that double. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { growingMs } from "../../src/pacing/growing-wait.ts";

test("each wait is twice as long as the one before, up to the longest", () => {
  const waits = [1, 2, 3, 4, 5, 1000].map((times) =>
    growingMs(times, { firstMs: 10, longestMs: 70 }, () => 0),
  );
  expect(waits).toEqual([10, 20, 40, 70, 70, 70]);
});

test("a first wait that is longer than the longest is kept", () => {
  expect(growingMs(3, { firstMs: 500, longestMs: 70 }, () => 0)).toBe(500);
});

test("jitter only adds, at most a quarter", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (times, random) => {
        const growth = { firstMs: 100, longestMs: 5000 };
        const plain = growingMs(times, growth, () => 0);
        const waitMs = growingMs(times, growth, () => random);
        expect(waitMs).toBeGreaterThanOrEqual(plain);
        expect(waitMs).toBeLessThanOrEqual(plain * 1.25);
      },
    ),
  );
});
