/** Whether two values of JSON are the same. */
import { ExactNumber, isJsonObject } from "./exact-json.ts";

/** Values with more parts than this count as different: to compare them would take long. */
const mostParts = 10_000;

export function isSame(a: unknown, b: unknown): boolean {
  let left = mostParts;

  function same(one: unknown, other: unknown): boolean {
    if (--left < 0) return false;
    if (one instanceof ExactNumber) return other instanceof ExactNumber && one.text === other.text;
    if (Array.isArray(one)) {
      return (
        Array.isArray(other) && one.length === other.length && one.every((item, at) => same(item, other[at]))
      );
    }
    if (!isJsonObject(one)) return Object.is(one, other);
    if (!isJsonObject(other)) return false;
    for (const key in other) if (--left < 0 || !Object.hasOwn(one, key)) return false;
    for (const key in one) if (!Object.hasOwn(other, key) || !same(one[key], other[key])) return false;
    return true;
  }

  return same(a, b);
}
