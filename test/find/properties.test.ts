/** Random patterns over random trees find what a simple and slow reading of the rules finds. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { search, tree } from "./tree.ts";

const name = fc
  .array(fc.constantFrom("a", "b", ".", "*", "[", "]", "{", "}", ",", "-", "é", "👍"), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join(""))
  .filter((text) => !/^\.{1,2}$/.test(text));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

const atom = fc.constantFrom(
  "a",
  "b",
  ".",
  "*",
  "?",
  "[ab]",
  "[!a]",
  "[é👍]",
  "\\*",
  "\\[",
  "é",
  "{a,b}",
  "{,a}",
  "{a/,}",
);
const part = fc.oneof(
  { arbitrary: fc.array(atom, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("")), weight: 3 },
  { arbitrary: fc.constant("**"), weight: 1 },
  { arbitrary: name, weight: 1 },
);
const pattern = fc
  .array(part, { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"))
  // Those end or begin in a slash, or go up.
  .filter((text) => expanded(text).every((one) => !/^\/|\/$|^$|(^|\/)\.{1,2}($|\/)/.test(one)));

/** All patterns that one with braces stands for: the innermost braces first. */
function expanded(text: string): string[] {
  const match = /(.*?)\{([^{}\\]*,[^{}\\]*)\}(.*)/s.exec(text);
  if (match === null) return [text];
  const [, before = "", inner = "", after = ""] = match;
  return inner.split(",").flatMap((one) => expanded(before + one + after));
}

interface Rules {
  /** Whether wildcards match the dot that a name begins with. */
  dot: boolean;
}

function matchesPath(parts: readonly string[], names: readonly string[], rules: Rules): boolean {
  const [first, ...others] = parts;
  const [head, ...rest] = names;
  if (first === undefined) return head === undefined;
  if (first !== "**") {
    return head !== undefined && matchesName(first, head, rules, true) && matchesPath(others, rest, rules);
  }
  const mayPass = head !== undefined && (rules.dot || !head.startsWith("."));
  if (others.length === 0) return mayPass && (rest.length === 0 || matchesPath(parts, rest, rules));
  return matchesPath(others, names, rules) || (mayPass && matchesPath(parts, rest, rules));
}

function matchesName(text: string, name: string, rules: Rules, isFirst: boolean): boolean {
  const [character, ...others] = text;
  const [head, ...rest] = name;
  const after = others.join("");
  const left = rest.join("");
  const isHidden = isFirst && head === "." && !rules.dot;
  if (character === undefined) return head === undefined;
  if (character === "*") {
    if (isHidden) return false;
    return (
      matchesName(after, name, rules, isFirst) ||
      (head !== undefined && matchesName(text, left, rules, false))
    );
  }
  const set = character === "[" ? /^\[(!?)([^\]!][^\]]*)\](.*)$/su.exec(text) : null;
  if (head === undefined) return false;
  if (character === "?") return !isHidden && matchesName(after, left, rules, false);
  if (set !== null) {
    const isIn = [...(set[2] as string)].includes(head) !== (set[1] === "!");
    return isIn && !isHidden && matchesName(set[3] as string, left, rules, false);
  }
  if (character === "\\")
    return others[0] === head && matchesName(others.slice(1).join(""), left, rules, false);
  return character === head && matchesName(after, left, rules, false);
}

/** The simple reading of sets above leaves out ranges and what begins with a bracket. */
function isSimple(text: string): boolean {
  return !/\[[^\]]*-|\[!?\]|\[\[|\[!|\[[^\]]*\//.test(text.replaceAll("[!a]", ""));
}

function isMatch(text: string, names: readonly string[], rules: Rules): boolean {
  return expanded(text).some((one) =>
    matchesPath(
      one.split("/").filter((part) => part !== ""),
      names,
      rules,
    ),
  );
}

function isExcluded(excludes: readonly string[], names: readonly string[]): boolean {
  return names.some((_, index) => {
    const begin = names.slice(0, index + 1);
    return excludes.some((one) => one === begin.join("/") || isMatch(one, begin, { dot: true }));
  });
}

async function treeOf(paths: readonly string[]): Promise<{ cwd: string; files: string[] }> {
  const cwd = await tree();
  for (const one of paths) {
    try {
      mkdirSync(dirname(join(cwd, one)), { recursive: true });
      writeFileSync(join(cwd, one), "", { flag: "wx" });
    } catch {
      // It is a directory already, or a file is where its directory would be.
    }
  }
  const files = readdirSync(cwd, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(cwd.length + 1));
  return { cwd, files };
}

test("random patterns and excludes over random trees", { timeout: 60_000 }, async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(path, { minLength: 1, maxLength: 12 }),
      fc.array(pattern.filter(isSimple), { minLength: 1, maxLength: 8 }),
      fc.array(pattern.filter(isSimple), { maxLength: 2 }),
      async (paths, patterns, exclude) => {
        const { cwd, files } = await treeOf(paths);
        for (const one of patterns.filter((text) => !text.startsWith("!"))) {
          const expected = files.filter((file) => {
            const names = file.split("/");
            if (isExcluded(exclude, names)) return false;
            return file === one || isMatch(one, names, { dot: false });
          });
          expect((await search(cwd, one, { exclude })).files, one).toEqual(expected.sort());
          found += expected.length;
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(found).toBeGreaterThan(300);
});
