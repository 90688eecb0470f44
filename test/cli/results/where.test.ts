/** Conditions of `--where`: what they mean, and what is refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holds, parseWhere, WhereError } from "../../../src/cli/results/where.ts";
import { type JsonValue, parseJson } from "../../../src/json/exact-json.ts";
import { valueAt } from "../../../src/session/result-key.ts";
import { runs } from "../../support/runs.ts";

/** Whether a result, as JSON, meets a condition. */
function meets(json: string, where: string): boolean {
  const result = parseJson(json);
  return parseWhere(where).every((comparison) => holds(comparison, valueAt(result, comparison.key)));
}

describe("a condition", () => {
  test.each([
    ['{"n": 3}', "n > 3", false],
    ['{"n": 3}', "n >= 3", true],
    ['{"n": 3}', "n<=3", true],
    ['{"n": 3}', "n < 3.0000000000000000001", true],
    ['{"n": 9007199254740993}', "n > 9007199254740992", true],
    ['{"n": 85.50}', "n = 85.5", true],
    ['{"n": 1e400}', "n > 1e399", true],
    ['{"n": 0.1}', "n = 0.1000000000000000055", false],
    ['{"n": -0.0}', "n = 0", true],
    ['{"n": "3"}', "n = 3", false],
    ['{"n": "3"}', 'n = "3"', true],
    ['{"n": 3}', 'n = "3"', false],
    ['{"n": "10"}', "n > 9", false],
    ['{"t": "b"}', "t > a", true],
    ['{"t": "😀"}', 't > "\\uffee"', true],
    ['{"t": "ab"}', "t > a", true],
    ['{"t": "2026-11-29T10:00:00Z"}', "t >= 2026-11-29", true],
    ['{"t": "a and b"}', "t = 'a and b'", true],
    ['{"t": "a and b", "u": 1}', "t ~ and and u = 1", true],
    ['{"t": ""}', 't = ""', true],
    ['{"b": true}', "b = true", true],
    ['{"b": "true"}', "b = true", false],
    ['{"b": false}', "b != true", true],
    ['{"b": null}', "b = null", true],
    ["{}", "b = null", true],
    ["{}", "b != null", false],
    ["{}", "b != 3", true],
    ['{"b": [3]}', "b != 3", true],
    ['{"b": {}}', "b = null", false],
    ["{}", "b < 3", false],
    ["{}", "b >= 3", false],
    ['{"stderr": "one\\nError: two\\n"}', "stderr ~ ^Error", true],
    ['{"stderr": "no Error"}', "stderr ~ ^Error", false],
    ['{"n": 137}', "n ~ ^1", true],
    ['{"n": null}', "n ~ null", false],
    ['{"n": ["a"]}', "n ~ a", false],
    ['{"a/b": {"~": 1}}', "/a~1b/~0 ~ 1", true],
    ['{"a b": 1}', '"/a b" = 1', true],
    ['{"a b": 1}', "'a b' = 1", true],
    ['{"a": {"b": 1}}', "a.b=1 and a.b!=2 AND a.b<9", true],
    ['{"a": 1}', "a = 1 and a = 2", false],
  ])("%s meets %s: %s", (json, where, expected) => {
    expect(meets(json, where)).toBe(expected);
  });

  test.each([
    ["", 1, "a key is missing"],
    ["  ", 3, "a key is missing"],
    ["> 3", 1, "a key is missing"],
    ["issues", 7, "here must be one of"],
    ["issues 3", 8, "here must be one of"],
    ["issues == 3", 8, "write ="],
    ["issues <> 3", 8, "<> is none of"],
    ["issues >", 9, "a value is missing"],
    ["issues > .5", 10, "not a number as JSON has it"],
    ["issues > 007", 10, "not a number as JSON has it"],
    ["issues > true", 10, "by = and != only"],
    ["a = 1 or b = 2", 7, "only and may follow"],
    ["a = two words", 9, "only and may follow"],
    ["a = 1 and", 10, "a key is missing"],
    ['a = "x', 5, "is not closed"],
    ["a = 'x", 5, "is not closed"],
    ['a ~ "\\d"', 5, "single quotes"],
    ["a ~ (", 5, "Unterminated group"],
    ["a..b = 1", 2, "between dots is empty"],
    ["x = 1 and '/~2' = 1", 11, "a tilde is written ~0"],
  ])("%j is refused at character %i", (where, at, message) => {
    expect(() => parseWhere(where)).toThrow(WhereError);
    expect(() => parseWhere(where)).toThrow(`At character ${at}: `);
    expect(() => parseWhere(where)).toThrow(message);
  });

  test("takes every text in double quotes, and every text without a single quotation mark in single ones", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const json = JSON.stringify({ t: text });
        expect(meets(json, `t = ${JSON.stringify(text)}`)).toBe(true);
        if (!text.includes("'")) expect(meets(json, `t = '${text}'`)).toBe(true);
      }),
      runs(100, 5000),
    );
  });

  test("with != is the opposite of = for every value", () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 2 }),
        fc.constantFrom("3", '"a"', "true", "null", "word"),
        (json, value) => {
          const result = JSON.stringify({ k: parseJson(json) as JsonValue });
          expect(meets(result, `k != ${value}`)).toBe(!meets(result, `k = ${value}`));
        },
      ),
      runs(100, 2000),
    );
  });

  test("orders texts by code points", () => {
    const text = fc.string({ unit: "binary" });
    const points = (one: string) => Array.from(one, (character) => character.codePointAt(0) as number);
    const order = (a: number[], b: number[]): number => {
      const at = a.findIndex((point, index) => point !== b[index]);
      return at === -1 ? a.length - b.length : (a[at] as number) - (b[at] ?? -1);
    };
    fc.assert(
      fc.property(text, text, (a, b) => {
        const json = JSON.stringify({ t: a });
        expect(meets(json, `t < ${JSON.stringify(b)}`)).toBe(order(points(a), points(b)) < 0);
        expect(meets(json, `t >= ${JSON.stringify(b)}`)).toBe(order(points(a), points(b)) >= 0);
      }),
      runs(200, 5000),
    );
  });
});
