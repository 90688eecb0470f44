import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DurationError, formatDuration, parseDuration } from "../../src/time/duration.ts";

const longest = 100_000 * 86_400_000;

describe("parseDuration", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["500ms", 500],
    ["1s", 1000],
    ["7min", 420_000],
    ["12h", 43_200_000],
    ["30d", 2_592_000_000],
    ["2w", 1_209_600_000],
    ["1.5h", 5_400_000],
    ["0.1s", 100],
    ["1h30min", 5_400_000],
    [" 1 d 2 h ", 93_600_000],
    ["100000d", longest],
  ])("reads %j as %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    ["", "is not a duration"],
    ["soon", "is not a duration"],
    ["-5s", "is not a duration"],
    ["1e3s", 'has an unknown unit "e"'],
    ["1,5h", "is not a duration"],
    ["s", "is not a duration"],
    ["PT1H", "is not a duration"],
    ["30", "has no unit: write 30s, 30min, 30h or 30d"],
    ["1h 30", "has no unit: write 30s"],
    ["7m", "is ambiguous (minutes or months?): write 7min for minutes or 210d for months"],
    ["7M", "is ambiguous"],
    ["0.1m", "write 0.1min for minutes or 3d for months"],
    ["3 months", 'has an unknown unit "months": use ms, s, min, h, d or w'],
    ["5constructor", 'has an unknown unit "constructor"'],
    ["5D", 'has an unknown unit "D"'],
    ["0.4ms", "is too short"],
    ["0.0001s", "is too short"],
    ["200000d", "is too long: write at most 100000d"],
    [`${"9".repeat(400)}d`, "is too long"],
  ])("refuses %j: %s", (text, message) => {
    expect(() => parseDuration(text)).toThrow(DurationError);
    expect(() => parseDuration(text)).toThrow(message);
  });

  test("what it writes, it reads", () => {
    const nearUnits = fc
      .tuple(fc.constantFrom(1, 1000, 60_000, 3_600_000, 86_400_000, 604_800_000), fc.nat(1000), fc.nat(1))
      .map(([unit, count, more]) => unit * count + more);
    fc.assert(
      fc.property(fc.oneof(nearUnits, fc.integer({ min: 0, max: longest })), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  test("a sum is the sum of its parts", () => {
    const part = fc
      .tuple(fc.nat(1000), fc.constantFrom("ms", "s", "min", "h", "d", "w"))
      .map((pair) => pair.join(""));
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.constantFrom("", " "),
        (parts, space) => {
          const sum = parts.map(parseDuration).reduce((total, ms) => total + ms, 0);
          expect(parseDuration(parts.join(space))).toBe(sum);
        },
      ),
    );
  });

  test("any other text is refused as no duration, and nothing worse", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[0-9.]{1,4} ?[a-zA-Zµ]{0,3}$/),
    );
    fc.assert(
      fc.property(text, (given) => {
        try {
          const ms = parseDuration(given);
          expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(DurationError);
        }
      }),
    );
  });
});

test.each([
  [0, "0s"],
  [1, "1ms"],
  [1500, "1500ms"],
  [90_000, "90s"],
  [60_000, "1min"],
  [129_600_000, "36h"],
  [604_800_000, "7d"],
  [2_592_000_000, "30d"],
])("formatDuration writes %d ms as %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
