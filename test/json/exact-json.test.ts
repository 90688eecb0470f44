import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ExactNumber,
  JsonError,
  parseJson,
  parsePlainJson,
  stringifyJson,
} from "../../src/json/exact-json.ts";
import { jsonValue, numberText, oddNumbers, standIns } from "../support/arbitraries.ts";

describe("the spelling of numbers", () => {
  test.each([...oddNumbers, ...standIns])("%s is kept", (text) => {
    for (const around of [text, `[${text}]`, `{"a":[{"b":${text}}],"__proto__":${text},"7":1.0,"3":${text}}`])
      expect(minified(stringifyJson(parseJson(around), { indent: 2 }))).toBe(inJsOrder(around));
  });

  test("is kept for any number, in any place", () => {
    fc.assert(
      fc.property(fc.array(numberText, { maxLength: 6 }), fc.constantFrom(0, 2), (numbers, indent) => {
        const text = `{"list":[${numbers.join(",")}],${numbers.map((n, at) => `"k${at}":{"n":${n}},`).join("")}"end":"1.0"}`;
        expect(minified(stringifyJson(parseJson(text), { indent }))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test("is that of JavaScript for a number of JavaScript", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = Object.is(number, -0) ? "-0.0" : JSON.stringify(number);
        expect(stringifyJson({ number })).toBe(`{"number":${text}}`);
        expect(parseJson(text)).toBe(number);
      }),
      { numRuns: 1000 },
    );
  });

  test.each(["01", "1.", ".5", "-", "+1", "1e", "1.0.0", "1-1", "0x1", "--1", "1.0e+"])(
    "%s is no number, and the message shows the text as it is",
    (wrong) => {
      for (const text of [wrong, `[1.0,${wrong}]`, `{${wrong}:1}`, `{1.0:${wrong}}`]) {
        expect(() => parseJson(text)).toThrow(JsonError);
        expect(message(() => parseJson(text))).toBe(message(() => JSON.parse(text)));
      }
    },
  );

  test("a number is no key", () => {
    expect(() => parseJson("{1.0:2}")).toThrow(JsonError);
  });
});

describe("numbers for JavaScript", () => {
  test.each([
    ["1", 1],
    ["85.0", 85],
    ["0.1", 0.1],
    ["0.10", 0.1],
    ["1e3", 1000],
    ["1e23", 1e23],
    ["2.118713766482637e+16", 21187137664826370],
    ["100000000000000000000000", 1e23],
    ["9007199254740992", 9007199254740992],
    ["9007199254740993", 9007199254740993n],
    ["-12345678901234567890123", -12345678901234567890123n],
    ["1e400", new ExactNumber("1e400")],
    ["1e-400", new ExactNumber("1e-400")],
    ["0.12345678901234567890", new ExactNumber("0.12345678901234567890")],
    ["-0", -0],
    ["-0.0", -0],
    ["-1073741824", -1073741824],
  ])("%s is plain wherever that holds the value", (text, value) => {
    expect(parsePlainJson(text)).toEqual(value);
    expect(parsePlainJson(`[1.0,${text},{"a":${text}}]`)).toEqual([1, value, { a: value }]);
    expect(parsePlainJson(stringifyJson(parsePlainJson(text)))).toEqual(value);
  });

  test("any number has the value that it had", () => {
    fc.assert(
      fc.property(numberText, (text) => {
        expect(rational(stringifyJson(parsePlainJson(`[${text}]`)).slice(1, -1))).toEqual(rational(text));
      }),
      { numRuns: 2000 },
    );
  });
});

/** JSON without the layout. */
function minified(text: string): string {
  return text.replace(/\s/g, "");
}

/** Keys that look like whole numbers come first, as in every object of JavaScript. */
function inJsOrder(text: string): string {
  return text.replace(/^\{(.*),"7":1\.0,"3":(.*)\}$/, '{"3":$2,"7":1.0,$1}');
}

function message(attempt: () => unknown): string {
  try {
    attempt();
    return "nothing was thrown";
  } catch (error) {
    return (error as Error).message;
  }
}

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
  ["a decimal comma", { a: [new ExactNumber("85,0")] }, /a\[0\] is an ExactNumber, and "85,0" is no number/],
  ["more than a number", { a: new ExactNumber('1, "b": 2') }, /a is an ExactNumber/],
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
