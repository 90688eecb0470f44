/** Sums of decimals: exact, whatever the digits, and refused where adding would take long. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareDecimals } from "../../src/json/decimal.ts";
import { addDecimals, DecimalSum, isAddable } from "../../src/json/decimal-sum.ts";
import { numberText } from "../support/arbitraries.ts";

function sumOf(...numbers: string[]): string {
  const sum = new DecimalSum();
  for (const number of numbers) sum.add(number);
  return sum.toString();
}

test.each<[string, string[]]>([
  ["0", []],
  ["0.3", ["0.1", "0.2"]],
  ["1", ["0.10", "0.90"]],
  ["0", ["0.1", "-0.1"]],
  ["-0.05", ["0.1", "-0.15"]],
  ["100.000001", ["1E+2", "1e-6"]],
  ["9007199254740993", ["9007199254740992", "1"]],
  ["0.0000001", ["1e-7"]],
  ["0", ["-0", "-0.0", "0e400"]],
])("%s is the sum of %j", (sum, numbers) => {
  expect(sumOf(...numbers)).toBe(sum);
});

test.each(["1e1000000000", "-1e-1000000000", "9".repeat(2000), "NaN", "Infinity", "", "1.", ".5", "1 000"])(
  "%.20s cannot be added, and changes nothing",
  (text) => {
    const sum = new DecimalSum();
    sum.add("0.5");
    expect(sum.add(text)).toBe(false);
    expect(isAddable(text)).toBe(false);
    expect(sum.toString()).toBe("0.5");
  },
);

test("ten thousand times 0.1 is 1000", () => {
  expect(sumOf(...Array<string>(10_000).fill("0.1"))).toBe("1000");
});

test("in any order and grouping the sum is the same, and takes nothing away from what was added", () => {
  const addable = numberText.filter(isAddable);
  fc.assert(
    fc.property(fc.array(addable, { maxLength: 8 }), (numbers) => {
      const sum = sumOf(...numbers);
      expect(sumOf(...[...numbers].reverse())).toBe(sum);
      expect(numbers.reduce((a, b) => addDecimals(a, b), "0")).toBe(sum);
      const negated = numbers.map((text) => (text.startsWith("-") ? text.slice(1) : `-${text}`));
      expect(sumOf(sum, ...negated)).toBe("0");
      if (numbers.every((text) => !text.startsWith("-"))) {
        for (const one of numbers) expect(compareDecimals(sum, one)).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
