/** How the long help of a command is fitted to the width of a terminal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { wrapParagraphs } from "../../src/cli/help-text.ts";

test("paragraphs are wrapped, and examples stay as they are", () => {
  const text = "\nA sentence that\nis broken somewhere.\n\nExample:\n  sessionctl a b c d e f g h i";
  expect(wrapParagraphs(text, 20)).toBe(
    "\nA sentence that is\nbroken somewhere.\n\nExample:\n  sessionctl a b c d e f g h i",
  );
});

test("no line of a paragraph is too long unless it is one word, and no word is lost", () => {
  const word = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 1, max: 40 }), (words, columns) => {
      const lines = wrapParagraphs(words.join(" "), columns).split("\n");
      expect(lines.flatMap((line) => line.split(" "))).toEqual(words);
      for (const line of lines) expect(line.length <= columns || !line.includes(" ")).toBe(true);
    }),
  );
});
