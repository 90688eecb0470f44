import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExactNumber, JsonError, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import { jsonValue } from "../support/arbitraries.ts";

describe("numbers", () => {
  test.each([
    ["1", 1],
    ["85.0", 85],
    ["0.1", 0.1],
    ["1e3", 1000],
    ["9007199254740993", 9007199254740993n],
    ["-12345678901234567890123", -12345678901234567890123n],
    ["1e400", new ExactNumber("1e400")],
    ["1e-400", new ExactNumber("1e-400")],
    ["0.12345678901234567890", new ExactNumber("0.12345678901234567890")],
    ["-0", -0],
    ["-0.0", -0],
  ])("%s is kept", (text, value) => {
    expect(parseJson(text)).toEqual(value);
    expect(parseJson(stringifyJson(parseJson(text)))).toEqual(value);
  });

  test("any decimal comes out with the value it went in with", () => {
    const decimal = fc
      .tuple(
        fc.boolean(),
        fc.bigInt({ min: 0n, max: 10n ** 30n }),
        fc.nat(25),
        fc.option(fc.integer({ min: -400, max: 400 })),
      )
      .map(([negative, digits, point, exponent]) => {
        const text = String(digits).padStart(point + 1, "0");
        const fraction = point === 0 ? "" : `.${text.slice(-point)}`;
        return `${negative ? "-" : ""}${text.slice(0, text.length - point)}${fraction}${exponent === null ? "" : `e${exponent}`}`;
      });
    fc.assert(
      fc.property(decimal, (text) => {
        expect(rational(stringifyJson(parseJson(`[${text}]`)).slice(1, -1))).toEqual(rational(text));
      }),
      { numRuns: 2000 },
    );
  });
});

/** The exact value as digits and a power of ten, computed apart from the code under test. */
function rational(text: string): string {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  let digits = BigInt(whole + fraction);
  let power = Number(exponent) - fraction.length;
  while (digits !== 0n && digits % 10n === 0n) {
    digits /= 10n;
    power++;
  }
  return digits === 0n ? "0" : `${text.startsWith("-") ? "-" : ""}${digits}e${power}`;
}

test("any value comes out as it went in, on one line or indented", () => {
  fc.assert(
    fc.property(jsonValue, fc.constantFrom(0, 2), (value, indent) => {
      expect(parseJson(stringifyJson(value, { indent }))).toEqual(value);
    }),
    { numRuns: 1000 },
  );
});

test("what only JSON.parse accepts quietly is refused", () => {
  expect(() => parseJson('{"a": 1, "a": 2}')).toThrow(/Duplicate key 'a'/);
  expect(() => parseJson('{"a": {"b": 1, "\\u0062": 2}}')).toThrow(JsonError);
  expect(parseJson('{"a": 1, "a": 1}')).toEqual({ a: 1 });
  expect(() => parseJson("[".repeat(65) + "]".repeat(65))).toThrow(/65 levels deep; at most 64/);
  expect(parseJson("[".repeat(64) + "]".repeat(64))).toBeDefined();
});

test.each([
  "",
  "{",
  '{"a":}',
  "[1,]",
  "NaN",
  "[Infinity]",
  '"\\x"',
  "{'a': 1}",
  "01",
  "[1] 2",
  '"\n"',
  "[-]",
  "[1e]",
  '"abc',
  '{"a" 1}',
])("%j is not JSON", (text) => {
  expect(() => parseJson(text)).toThrow(JsonError);
});

test("random text is either JSON for both parsers or for none", () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(
        fc.constantFrom("{", "}", "[", "]", ",", ":", '"a"', '"', "\\", "1", "-0", "1e5", ".", "null", " "),
        { maxLength: 12 },
      )
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (input) => {
      const [ours, native] = [parseJson, JSON.parse].map((parse) => {
        try {
          return { value: parse(input) as unknown };
        } catch (error) {
          return { error: error as Error };
        }
      }) as [{ error?: Error }, { error?: Error }];
      if (native.error !== undefined) expect(ours.error).toBeInstanceOf(JsonError);
      else if (ours.error !== undefined) expect(ours.error.message).toMatch(/Duplicate key/);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ["NaN", { a: [Number.NaN] }, /a\[0\] is NaN/],
  ["a Date", { at: new Date() }, /at is a Date/],
  ["a Map", new Map(), /the value is a Map/],
  ["a function", { f: () => 1 }, /f is a function/],
  ["undefined in a list", [undefined], /\[0\] is undefined/],
  ["a toJSON method", { toJSON: () => 1 }, /toJSON/],
])("%s is refused, with its place", (_, value, message) => {
  expect(() => stringifyJson(value)).toThrow(message);
});

test("a cycle is refused", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  expect(() => stringifyJson(cycle)).toThrow(/contains itself/);
});
