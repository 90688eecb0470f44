/** How a command is built for a file. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  commandFor,
  commandHash,
  commandLine,
  type Template,
  templateText,
} from "../../src/runner/template.ts";

const plain = (words: string[], file: string) => commandFor({ words, shell: false }, file);
const shell = (words: string[], file: string) => commandFor({ words, shell: true }, file);

test.each([
  ["src/a.test.ts", ["src/a.test.ts", "src/a.test", "a.test.ts", "src", "a.test"]],
  ["a", ["a", "a", "a", ".", "a"]],
  ["/a", ["/a", "/a", "a", "/", "a"]],
  ["a.b/c", ["a.b/c", "a.b/c", "c", "a.b", "c"]],
  ["./-x y.js", ["./-x y.js", "./-x y", "-x y.js", ".", "-x y"]],
  ["a\n.b\n", ["a\n.b\n", "a\n", "a\n.b\n", ".", "a\n"]],
])("%j fills every form", (file, filled) => {
  expect(plain(["p", "{}", "{.}", "{/}", "{//}", "{/.}"], file)).toEqual(["p", ...filled]);
});

test("a form may be part of a word, and more than once; other braces stay", () => {
  expect(plain(["p", "--out={/.}.{/.}", "{x}", "{{}}", "@{}"], "d/a.js")).toEqual([
    "p",
    "--out=a.a",
    "{x}",
    "{d/a.js}",
    "@d/a.js",
  ]);
});

test("a command without a form gets the file last", () => {
  expect(plain(["wc", "-l"], "a b")).toEqual(["wc", "-l", "a b"]);
  expect(shell(["wc -l <"], "a b")).toEqual(["/bin/sh", "-c", "wc -l < 'a b'"]);
});

test("a replacement is not replaced again", () => {
  expect(plain(["p", "{}{/}"], "{/}/{}")).toEqual(["p", "{/}/{}{}"]);
});

test("the command is displayed as one would type it", () => {
  expect(templateText({ words: ["sh", "-c", "a b", "{}"], shell: false })).toBe("sh -c 'a b' {}");
  expect(templateText({ words: ["sh", "-c", "a {} > {.}.b", "{/}.c"], shell: false })).toBe(
    "sh -c 'a {} > {.}.b' {/}.c",
  );
  expect(commandLine(plain(["wc", "{}"], "a b"))).toBe("wc 'a b'");
  expect(commandLine(shell(["wc < {}"], "a b"))).toBe("wc < 'a b'");
});

const fileName = fc
  .string({ unit: "binary", minLength: 1, maxLength: 20 })
  .filter((text) => text.isWellFormed() && !text.includes("\0"));

const someTemplate: fc.Arbitrary<Template> = fc.record({
  words: fc.array(fc.constantFrom("a", "b", "a b", "{}", "{.}", "a {}"), { minLength: 1, maxLength: 4 }),
  shell: fc.boolean(),
});

test("templates have the same hash if and only if they give the same command", () => {
  const command = (template: Template) => JSON.stringify(commandFor(template, "d.e/f.g"));
  fc.assert(
    fc.property(someTemplate, someTemplate, (one, other) => {
      expect(commandHash(one) === commandHash(other)).toBe(command(one) === command(other));
      const { words, shell } = one;
      const isImplied = !words.some((word) => word.includes("{"));
      if (isImplied) expect(commandHash({ words: [...words, "{}"], shell })).toBe(commandHash(one));
      if (shell) expect(commandHash({ words: [words.join(" ")], shell })).toBe(commandHash(one));
    }),
  );
});

test("a shell reads any name as it is", () => {
  fc.assert(
    fc.property(fileName, (file) => {
      const [program, ...args] = shell(["printf %s {}"], file) as [string, ...string[]];
      expect(execFileSync(program, args).toString()).toBe(file);
    }),
    { numRuns: 30 },
  );
});

test("the parts of any name make up the name", () => {
  fc.assert(
    fc.property(fileName, (file) => {
      const [, base = "", stem = "", short = ""] = plain(["p", "{/}", "{.}", "{/.}"], file);
      expect(file.endsWith(base)).toBe(true);
      expect(base).not.toContain("/");
      expect(file.startsWith(stem)).toBe(true);
      expect(base.startsWith(short)).toBe(true);
    }),
  );
});
