import { expect, test } from "vitest";
import { NameMap } from "../../src/session/name-map.ts";

/** From 20,001 names on, they are divided. */
test.each([5000, 20_000, 20_001, 50_000])("%i names of any kind are kept, each once", (count) => {
  const names = [
    "",
    "a",
    "ж",
    "__proto__",
    ...Array.from({ length: count - 4 }, (_, n) => `src/file${n}.ts`),
  ];
  const map = new NameMap<string>();
  for (const name of [...names, ...names]) map.set(name, name);
  expect(map.size).toBe(names.length);
  expect(names.filter((name) => map.get(name) !== name)).toEqual([]);
  expect(names.every((name) => map.has(name))).toBe(true);
  expect([map.get("another"), map.has("another")]).toEqual([undefined, false]);
});
