import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shellOperand, shellQuote, shownWord } from "../../src/text/shell-quote.ts";

/** What a shell makes of a line: one argument per element. */
function argumentsOf(line: string): string[] {
  const written = execFileSync("/bin/sh", ["-c", `for one in ${line}; do printf '%s\\0' "$one"; done`]);
  return written.toString().split("\0").slice(0, -1);
}

test("plain words stay plain", () => {
  expect(["nightly", "a.b/c-1_2", "сессия"].map(shellQuote)).toEqual(["nightly", "a.b/c-1_2", "сессия"]);
  expect([shellQuote("a b"), shellQuote("it's"), shellQuote("")]).toEqual(["'a b'", "'it'\\''s'", "''"]);
  expect([shellOperand("-a"), shellOperand("- a"), shellOperand("a-")]).toEqual(["-- -a", "-- '- a'", "a-"]);
});

test("a shell reads every word as it was", () => {
  const word = fc.string({ unit: "binary" }).filter((text) => text.isWellFormed() && !text.includes("\0"));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 50 }), (words) => {
      expect(argumentsOf(words.map(shellQuote).join(" "))).toEqual(words);
    }),
    { numRuns: 20 },
  );
});

test("a shell reads every shown word as it was, and no terminal is controlled by one", () => {
  const word = fc
    .string({ unit: "binary" })
    .filter((text) => text.isWellFormed() && !text.includes("\0") && !text.endsWith("\n"));
  const words = ["a\u202eb!", "\x1b]0;it's 100%\x07\\", "\u009b31m\u200b"];
  const reads = (all: readonly string[]) => {
    const line = all.map(shownWord).join(" ");
    expect(line).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b]/u);
    expect(argumentsOf(line)).toEqual(all);
  };
  reads(words);
  fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), reads), { numRuns: 20 });
});
