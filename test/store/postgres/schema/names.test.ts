import fc from "fast-check";
import { expect, test } from "vitest";
import { fromText, toText } from "../../../../src/store/postgres/schema/names.ts";

const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\0", "\\", "\ud800", "\udc00", "\udfff", "u", "0", "d", "8", "é", "😀"),
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  ),
});

test("text that PostgreSQL can hold stays as it is, and reads so", () => {
  for (const text of ["", "src/a.py", "Füße 😀", "a'b\"c%d_e\n\t"]) expect(toText(text)).toBe(text);
});

test("examples of what is escaped", () => {
  expect(toText("a\0b")).toBe("a\\0b");
  expect(toText("C:\\0")).toBe("C:\\\\0");
  expect(toText("x\ud83dy")).toBe("x\\ud83dy");
  expect(toText(null)).toBeNull();
  expect(fromText(null)).toBeNull();
});

test("whatever is written is well formed, has no NUL, and reads as it was", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const written = toText(text);
      expect(written.isWellFormed() && !written.includes("\0")).toBe(true);
      expect(fromText(written)).toBe(text);
    }),
  );
});
