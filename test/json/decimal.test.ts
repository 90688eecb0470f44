/** The order of decimals of any length. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareDecimals } from "../../src/json/decimal.ts";
import { runs } from "../support/runs.ts";

describe("decimals", () => {
  test.each([
    ["1", "2", -1],
    ["10", "9", 1],
    ["-10", "-9", -1],
    ["-1", "0", -1],
    ["0", "-0.0e9", 0],
    ["85.0", "85", 0],
    ["1e3", "1000.000", 0],
    ["0.001", "1E-3", 0],
    ["9007199254740993", "9007199254740992", 1],
    ["0.1000000000000000055", "0.1", 1],
    ["-0.30", "-0.3", 0],
    ["1e400", "9.99e399", 1],
    ["1e-400", "0", 1],
    ["1e99999999999999999999", "1e99999999999999999998", 1],
    ["12", "123", -1],
    ["1e+21", "1000000000000000000000", 0],
  ])("%s and %s", (a, b, order) => {
    expect(Math.sign(compareDecimals(a, b))).toBe(order);
    expect(Math.sign(compareDecimals(b, a))).toBe(order === 0 ? 0 : -order);
  });

  test("have the order of their values, whatever their spelling", () => {
    // The value is digits × 10^-places, with places below 40.
    const decimal = fc.record({
      digits: fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
      places: fc.integer({ min: 0, max: 39 }),
      shift: fc.integer({ min: -5, max: 5 }),
    });
    const spelled = ({ digits, places, shift }: { digits: bigint; places: number; shift: number }) => {
      const magnitude = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
      const at = magnitude.length - places;
      const fraction = places === 0 ? "" : `.${magnitude.slice(at)}`;
      const text = `${digits < 0n ? "-" : ""}${magnitude.slice(0, at)}${fraction}`;
      return shift === 0 ? text : `${text}${"0".repeat(fraction === "" ? 0 : Math.abs(shift))}e${shift}`;
    };
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        const value = (one: typeof a) => one.digits * 10n ** BigInt(50 - one.places + one.shift);
        const order = value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0;
        expect(Math.sign(compareDecimals(spelled(a), spelled(b)))).toBe(order);
        expect(Math.sign(compareDecimals(spelled(a), spelled({ ...a, shift: 0 })))).toBe(
          Math.sign(Number(value(a) - value({ ...a, shift: 0 }))),
        );
      }),
      runs(100, 5000),
    );
  });
});
