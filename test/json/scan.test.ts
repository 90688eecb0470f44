import fc from "fast-check";
import { expect, test } from "vitest";
import { endOfString } from "../../src/json/scan.ts";

test("a string of JSON ends at its own quotation mark, in text and in UTF-8", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('"', "\\", "a", "ü", "\n") }),
      fc.string(),
      (value, rest) => {
        const written = JSON.stringify(value);
        const before = '{"key": ';
        const end = endOfString(`${before}${written}${rest}`, before.length + 1);
        expect(end).toBe(before.length + written.length - 1);

        const bytes = Buffer.from(`${before}${written}${rest}`);
        const writtenBytes = Buffer.byteLength(written);
        expect(endOfString(bytes, before.length + 1)).toBe(before.length + writtenBytes - 1);
      },
    ),
  );
});

test.each(['"abc', '"abc\\', '"abc\\"', '"'])("the string %s is not closed", (json) => {
  expect(endOfString(json, 1)).toBe(json.length);
  expect(endOfString(Buffer.from(json), 1)).toBe(json.length);
});
