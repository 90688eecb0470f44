import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { shellOperand, shellQuote } from "../../src/text/shell-quote.ts";

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
