import { expect, test } from "vitest";
import { NameMap } from "../../src/session/name-map.ts";

test("names of any kind are kept, each once", () => {
  const names = ["", "a", "ж", "__proto__", ...Array.from({ length: 5000 }, (_, n) => `src/file${n}.ts`)];
  const map = new NameMap<string>();
  for (const name of [...names, ...names]) map.set(name, name);
  expect(map.size).toBe(names.length);
  for (const name of names) expect(map.get(name)).toBe(name);
  expect(map.get("another")).toBeUndefined();
});
