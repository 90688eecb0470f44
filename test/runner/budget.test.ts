/** Budgets: how they are written, and what the attempts of a session have spent of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber, type JsonObject, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import {
  type Budgets,
  mergeBudgets,
  parseBudget,
  readBudgets,
  writeBudgets,
} from "../../src/runner/budget.ts";
import { Spending } from "../../src/runner/spending.ts";

test.each<[string, string, string | undefined]>([
  ["cost=5", "cost", "5"],
  ["usage.cost=0.50", "usage.cost", "0.50"],
  ["/usage/cost=.5", "usage.cost", "0.5"],
  ["/a.b/c~1d=1e6", "/a.b/c~1d", "1e6"],
  ["a=b=007", "a=b", "7"],
  ["cost=none", "cost", undefined],
  ["duration_ms=+3600000", "duration_ms", "3600000"],
])("%s", (text, key, max) => {
  expect(parseBudget(text)).toEqual({ key, max });
});

test.each([
  ["cost", "write KEY=MAX"],
  ["=5", "write KEY=MAX"],
  ["cost=", "a number above 0"],
  ["cost=0", "a number above 0"],
  ["cost=0.000", "a number above 0"],
  ["cost=-5", "a number above 0"],
  ["cost=NaN", "a number above 0"],
  ["cost=Infinity", "a number above 0"],
  ["cost=5$", "a number above 0"],
  ["cost=1e999999", "a number above 0"],
  ["a..b=5", "is no key"],
  ["/a~2=5", "is no key"],
])("%s is no budget: %s", (text, message) => {
  expect(() => parseBudget(text)).toThrow(message);
});

test("a budget that is given takes the place of that of its key, and none takes it away", () => {
  const before = new Map([
    ["cost", "5"],
    ["tokens", "1000"],
  ]);
  const now = new Map([
    ["cost", "10"],
    ["tokens", undefined],
    ["calls", undefined],
  ]);
  expect([...mergeBudgets(before, now)]).toEqual([["cost", "10"]]);
  expect([...mergeBudgets(undefined, now)]).toEqual([["cost", "10"]]);
  expect(
    stringifyJson(
      writeBudgets(
        new Map([
          ["cost", "5.00"],
          ["n", "1e6"],
        ]),
      ),
    ),
  ).toBe('{"cost":5.00,"n":1e6}');
});

test.each(["5", "[]", '{"cost": "5"}', '{"cost": null}', '{"cost": -1}', '{"a..b": 1}'])(
  "%s in a document of another program is no budget",
  (text) => {
    expect(() => readBudgets(parseJson(text))).toThrow();
  },
);

const said: string[] = [];
const spending = (results: JsonObject, budgets: Record<string, string>) => {
  said.length = 0;
  return Spending.of(results, new Map(Object.entries(budgets)), (line) => said.push(line)) as Spending;
};

test("counts what the JSON of the output says, then the result; and says when that is reached", () => {
  const at = spending({}, { cost: "0.3", duration_ms: "1000" });
  expect(at.count("a", { stdout: { cost: 0.1, duration_ms: 1 }, duration_ms: 900 })).toEqual({
    cost: 0.1,
    duration_ms: 1,
  });
  expect(at.reached).toBeUndefined();
  expect(at.count("b", { stdout: { cost: 0.2 }, duration_ms: 20 })).toEqual({ cost: 0.2, duration_ms: 20 });
  expect(at.spent).toEqual([
    { key: "cost", spent: "0.3", max: "0.3" },
    { key: "duration_ms", spent: "21", max: "1000" },
  ]);
  expect(at.reached).toBe("budget reached: cost 0.3 of 0.3");
  expect([said, at.missing]).toEqual([[], []]);
});

test.each<[string, JsonObject, string]>([
  ["text", { stdout: "all good" }, "whose output is not JSON"],
  [
    "too much text",
    { stdout: '{"co', truncated: { stdout: 99_999 } },
    "whose output is longer than --output-limit",
  ],
  ["JSON without the key", { stdout: { price: 1 } }, "whose result has no such key"],
  ["a text there", { stdout: { cost: "5" } }, "where it is no number"],
  ["a null there", { stdout: { cost: null } }, "where it is no number"],
  [
    "a number beyond measure",
    { stdout: { cost: new ExactNumber("1e999999") } },
    "where the number is too long or too large",
  ],
])("%s counts nothing, and that is said once", (_, result, why) => {
  const at = spending({}, { cost: "1" });
  expect(at.count("a", result)).toBeUndefined();
  expect(at.count("b", result)).toBeUndefined();
  expect(said).toEqual([expect.stringContaining(`budget cost: nothing is counted of a, ${why}`)]);
  expect([at.spent[0]?.spent, at.missing]).toEqual(["0", ["cost"]]);
});

test("a failed attempt without the number is as expected, and not what is said once", () => {
  const at = spending({}, { cost: "1" });
  at.count("a", { exit_code: 75, stdout: "" });
  expect(said).toEqual([]);
  at.count("b", { exit_code: 0, stdout: "" });
  expect(said).toEqual([expect.stringContaining("nothing is counted of b")]);
});

test("results from before the budget count, and what is not a budget any more is counted on", () => {
  const before = {
    a: { stdout: { cost: 2 } },
    b: { stdout: "x", spent: { cost: 3, tokens: 10 } },
    c: "text",
    d: null,
  };
  const at = spending(before, { cost: "10" });
  expect(at.spent).toEqual([{ key: "cost", spent: "5", max: "10" }]);
  expect(at.count("b", { stdout: { cost: 1, tokens: 5 } })).toEqual({ cost: 4, tokens: 15 });
  expect(at.count("a", { stdout: "no JSON" })).toEqual({ cost: 2 });
  expect(Spending.of({ a: { stdout: { cost: 2 } } }, new Map(), () => {})).toBeUndefined();
  expect(Spending.of({ a: { spent: { cost: 2 } } }, new Map(), () => {})?.spent).toEqual([]);
  expect(Spending.of({ a: { spent: { "a..b": 2 } }, b: { spent: 5 } }, new Map(), () => {})).toBeUndefined();
});

test("whenever the run is killed, whatever is sent again: the sum is that of the recorded attempts", () => {
  const file = fc.constantFrom("a", "b", "__proto__");
  const cost = fc.option(fc.constantFrom("0.1", "0.25", "1e1", "3", "-0.5"), { nil: undefined });
  const step = fc.record({ file, cost, isRecorded: fc.boolean(), isKilled: fc.boolean() });
  const budgets: Budgets = new Map([["cost", "1000"]]);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let results: JsonObject = {};
      let at = Spending.of(results, budgets, () => {}) as Spending;
      let expected = 0;
      for (const { file: name, cost: text, isRecorded, isKilled } of steps) {
        const stdout = text === undefined ? {} : { cost: new ExactNumber(text) };
        const result: JsonObject = { exit_code: 0, stdout };
        const spent = at.count(name, result);
        if (isRecorded) {
          const recorded = { ...result, ...(spent === undefined ? {} : { spent }) };
          // Through JSON, and twice, as a report is that was not acknowledged.
          for (let times = 0; times < 2; times++) {
            const report = parseJson(stringifyJson(Object.fromEntries([[name, recorded]]))) as JsonObject;
            results = { ...results, ...report };
          }
          expected += Number(text ?? 0);
        }
        // A run whose report was lost has been killed.
        if (isKilled || !isRecorded) at = Spending.of(results, budgets, () => {}) as Spending;
        expect(Number(at.spent[0]?.spent)).toBeCloseTo(expected, 9);
      }
    }),
  );
});
