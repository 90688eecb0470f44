import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSize, parseSize, SizeError } from "../../src/text/size.ts";

test.each([
  ["0B", 0],
  ["1048576B", 1_048_576],
  ["64MiB", 67_108_864],
  ["1.5 KiB", 1536],
  ["500kB", 500_000],
  [" 2GB ", 2_000_000_000],
  ["1GiB", 1_073_741_824],
])("parseSize reads %j as %d bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(["", "64", "MiB", "64mb", "64 M", "-1B", "1e3B", "1KiB 2B", "5constructor", "64MiB\n5"])(
  "parseSize refuses %j",
  (text) => {
    expect(() => parseSize(text)).toThrow(SizeError);
    expect(() => parseSize(text)).toThrow("is not a size: write a number and B, KiB, MiB");
  },
);

test.each([`${"9".repeat(400)}B`, "9000000GiB"])("parseSize refuses %j, which no number holds", (text) => {
  expect(() => parseSize(text)).toThrow("is too large");
});

test("parseSize reads any whole number of bytes exactly", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(parseSize(`${bytes}B`)).toBe(bytes);
    }),
  );
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [1_048_575, "1.0 MiB"],
  [67_108_864, "64.0 MiB"],
  [1024 ** 4 * 5000, "5000.0 TiB"],
])("formatSize writes %d bytes as %s", (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});

test("formatSize is within half a tenth of its unit, and never shows 1024 of one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1024 ** 4 }), (bytes) => {
      const text = formatSize(bytes);
      const value = Number.parseFloat(text);
      expect(value).toBeLessThan(1024);
      const unit = text.split(" ")[1] as string;
      if (unit === "TiB") return;
      expect(Math.abs(parseSize(text) - bytes)).toBeLessThanOrEqual(parseSize(`1${unit}`) * 0.0501);
    }),
  );
});
