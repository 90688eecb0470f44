import { expect, test } from "vitest";
import { z } from "zod";
import { issuesOf, wording } from "../../src/contract/wording.ts";
import { stringList } from "../../src/session/string-list.ts";

function problems(value: unknown): string[] {
  const { error } = z.object({ list: stringList() }).safeParse({ list: value }, { error: wording });
  return error === undefined ? [] : issuesOf(error).map(({ path, message }) => `${path}: ${message}`);
}

test("items that are no strings are named with their places", () => {
  expect(problems([])).toEqual([]);
  expect(problems(["a", "b"])).toEqual([]);
  expect(problems(undefined)).toEqual(["list: is missing"]);
  expect(problems("a")).toEqual(["list: must be an array, not a string"]);
  expect(problems(["a", 1, null])).toEqual([
    "list[1]: must be a string, not 1",
    "list[2]: must be a string, not null",
  ]);
});

test("of very many, the first are named and the others counted", () => {
  const found = problems(Array(5000).fill(1));
  expect(found).toHaveLength(51);
  expect(found.at(-1)).toBe("list: has 4950 more items that are not strings");
});
