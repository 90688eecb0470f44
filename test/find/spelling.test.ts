/** When two names mean one path. */
import { realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { distinct, Spellings } from "../../src/find/spelling.ts";
import { tree } from "./tree.ts";

const parts = fc.array(fc.constantFrom("a", "b", "l", ".", "..", "", "..x"), { minLength: 1, maxLength: 6 });
const name = fc
  .tuple(fc.constantFrom("", "./", "../r/", "ROOT/"), parts)
  .map(([begin, rest]) => begin + rest.join("/"));

test.each([
  ["without links", []],
  ["with a link", ["r/l -> a/b"]],
])("the plain name means the same path, %s", async (_, links) => {
  const root = await tree("r/a/b/a/b/", "r/b/a/", "r/a/l/", "r/..x/a/", ...links);
  const cwd = join(root, "r");
  const spellings = new Spellings(cwd);
  const seen = new Map<string, string>();
  let there = 0;
  fc.assert(
    fc.property(name, (text) => {
      const given = text.replace("ROOT", root);
      const path = given.startsWith("/") ? given : `${cwd}/${given}`;
      const plain = spellings.plain(given);
      let real: string;
      try {
        real = realpathSync.native(path);
      } catch {
        return;
      }
      there++;
      expect(realpathSync.native(resolve(cwd, plain))).toBe(real);
      if (links.length > 0) return;
      // Without links there is one plain name for each path.
      expect(seen.get(real) ?? plain).toBe(plain);
      seen.set(real, plain);
    }),
    { numRuns: 3000 },
  );
  expect(there).toBeGreaterThan(100);
});

test.each([
  ["a", "a"],
  ["./-n", "-n"],
  ["a//b/./c", "a/b/c"],
  ["a/", "a"],
  ["nowhere/../a", "a"],
  ["../x/../../r/a", "../../r/a"],
  ["...", "..."],
  [".a/..b", ".a/..b"],
  ["__proto__/../constructor", "constructor"],
])("%j is %j", async (given, plain) => {
  expect(new Spellings(await tree()).plain(given)).toBe(plain);
});

test("a directory that is reached through a link is the same directory", async () => {
  const root = await tree("real/a", "link -> real");
  const spellings = new Spellings(join(root, "link"));
  expect(spellings.plain(join(root, "link/a"))).toBe("a");
  expect(spellings.plain(join(root, "real/a"))).toBe("a");
  expect(spellings.plain("../real/a")).toBe("a");
  // Elsewhere, a link is another name.
  expect(new Spellings(root).plain("./link/a")).toBe("link/a");
});

test("names that the session knows are kept, others as they were given first", async () => {
  const spellings = new Spellings(await tree());
  const { names, repeated, respelled, twice } = distinct(
    ["./n", "n", "n", "./a", "a", "./b", "b", "c", "./c", "c"],
    ["a", "b", "./b"],
    spellings,
  );
  expect(names).toEqual(["./n", "a", "./b", "b", "c"]);
  expect([...repeated]).toEqual(["a", "c"]);
  expect([...respelled]).toEqual([
    ["n", "./n"],
    ["./a", "a"],
    ["./c", "c"],
  ]);
  expect([...twice]).toEqual([["./b", "b"]]);
});
