/** Lines from bytes that come in any pieces. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Lines } from "../../src/json/lines.ts";

function read(chunks: readonly Buffer[]): string[] {
  const lines = new Lines();
  const found: string[] = [];
  for (const chunk of chunks) {
    lines.add(chunk);
    for (let line = lines.next(); line !== undefined; line = lines.next())
      found.push(line.toString("latin1"));
    expect(lines.isUnread).toBe(false);
  }
  const last = lines.last();
  return last === undefined ? found : [...found, last.toString("latin1")];
}

test("however the bytes are cut, the lines are the same, without those that are empty", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\r", "\n", "\n", "\u00ff"), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 60 }), { maxLength: 8 }), (bytes, cuts) => {
      const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((to, at) => Buffer.from(bytes.slice(places[at], to), "latin1"));
      const expected = bytes.split("\n").map((line) => line.replace(/\r$/, ""));
      expect(read(chunks)).toEqual(expected.filter((line) => line !== ""));
    }),
    { numRuns: 500 },
  );
});

test("a line that came in one piece is not copied", () => {
  const chunk = Buffer.from("begun\none\r\ntwo\nbeg");
  const lines = new Lines();
  lines.add(Buffer.from("has "));
  expect(lines.next()).toBeUndefined();
  expect(lines.begunBytes).toBe(4);
  lines.add(chunk);
  expect(lines.next()?.toString()).toBe("has begun");
  for (const [text, at] of [
    ["one", 6],
    ["two", 11],
  ] as const) {
    const line = lines.next();
    expect(line?.toString()).toBe(text);
    expect([line?.buffer, line?.byteOffset]).toEqual([chunk.buffer, chunk.byteOffset + at]);
  }
  expect([lines.isUnread, lines.next(), lines.isUnread, lines.begunBytes]).toEqual([
    true,
    undefined,
    false,
    3,
  ]);
});
