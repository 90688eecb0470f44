import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTimestamp, parseTimestamp, systemClock } from "../../src/time/clock.ts";

test.each([
  ["2026-01-02T03:04:05.123456Z", 1767323045123456],
  ["2026-01-02T03:04:05Z", 1767323045000000],
  ["2026-01-02T04:04:05.1+01:00", 1767323045100000],
  ["2026-01-01T19:04:05-08:00", 1767323045000000],
  ["2024-02-29T00:00:00+00:00", 1709164800000000],
])("%s is %d microseconds", (text, micros) => {
  expect(parseTimestamp(text)).toBe(micros);
});

test.each([
  "2026-02-30T00:00:00Z",
  "2025-02-29T00:00:00Z",
  "2026-01-02T24:00:00Z",
  "2026-01-02T03:04:05",
  "2026-01-02",
  "2026-01-02T03:04:05.1234567Z",
  "2026-01-02T03:04:60Z",
  "2026-13-01T00:00:00Z",
  "now",
  "",
])("%j is no timestamp", (text) => {
  expect(parseTimestamp(text)).toBeUndefined();
});

test("formatting and parsing are inverse", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7_258_118_400_000_000 }), (micros) => {
      expect(parseTimestamp(formatTimestamp(micros))).toBe(micros);
    }),
  );
});

test("the system clock never gives one time twice", () => {
  const clock = systemClock();
  const before = Date.now();
  const times = Array.from({ length: 10_000 }, () => clock.now());
  const after = Date.now();
  for (let n = 1; n < times.length; n++) expect(times[n]).toBeGreaterThan(times[n - 1] as number);
  expect((times[0] as number) / 1000).toBeGreaterThanOrEqual(before - 1);
  // Ten thousand readings in no time are still as many microseconds.
  expect((times.at(-1) as number) / 1000).toBeLessThanOrEqual(after + 11);
});
