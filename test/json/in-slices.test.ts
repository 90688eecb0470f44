/** Long texts and large values mean the same, and fail the same, in one go or a piece at a time. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonError, type JsonValue, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import { parseJsonInSlices, stringifyJsonInSlices } from "../../src/json/in-slices.ts";
import { anyString, jsonValue } from "../support/arbitraries.ts";

const maxDepth = 20;

async function outcome(parse: () => JsonValue | Promise<JsonValue>): Promise<unknown> {
  try {
    return await parse();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return `refused: ${error.message}`;
  }
}

async function expectSame(text: string): Promise<void> {
  const expected = await outcome(() => parseJson(text, maxDepth));
  expect(await outcome(() => parseJsonInSlices(text, maxDepth))).toEqual(expected);
}

/** Long enough for several pieces, whatever its items are. */
const longText = fc
  .record({
    before: fc.dictionary(anyString, jsonValue, { maxKeys: 2 }),
    items: fc.array(jsonValue, { minLength: 1, maxLength: 4 }),
    members: fc.array(fc.tuple(anyString, jsonValue), { minLength: 1, maxLength: 4 }),
    indent: fc.constantFrom(0, 2),
    filler: fc.constantFrom("x", '"', "\\", "]", "},{"),
  })
  .map(({ before, items, members, indent, filler }) => {
    const long = filler.repeat(300);
    const list = Array.from({ length: 500 }, (_, n) => [long, items[n % items.length] as JsonValue]).flat();
    const object = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => {
        const [key, value] = members[n % members.length] as [string, JsonValue];
        return [`${key}${n}`, [value, long]];
      }),
    );
    return stringifyJson({ ...before, list, object, after: "x" }, { indent, maxDepth: 100 });
  });

test("any long text", async () => {
  await fc.assert(
    fc.asyncProperty(longText, async (text) => {
      expect(text.length).toBeGreaterThan(256 * 1024);
      await expectSame(text);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("a long text with one thing wrong", async () => {
  const places = fc.array(fc.tuple(fc.nat(), fc.constantFrom(",", "]", "}", "[", "{", '"', ":", "1", "")), {
    minLength: 6,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(longText, places, async (text, changes) => {
      for (const [place, put] of changes) {
        const at = place % text.length;
        await expectSame(text.slice(0, at) + put + text.slice(at + 1));
      }
    }),
    { numRuns: 15 },
  );
}, 60_000);

const long = JSON.stringify("x".repeat(1000));
const many = (item: string) => Array.from({ length: 400 }, () => item).join(",");

test.each([
  ["two values under one outer key", `{"a":[${many(long)}],"a":1}`],
  [
    "two values under one inner key",
    `{"a":{"k":1,${Array.from({ length: 400 }, (_, n) => `"${n}":${long}`)},"k":2}}`,
  ],
  [
    "a key that objects have anyway",
    `{"a":{"__proto__":1,"toString":2,"x":[${many(long)}]},"__proto__":[${many(long)}]}`,
  ],
  ["a comma too many at the end of a list", `{"a":[${many(long)},]}`],
  ["a comma too many in a list", `{"a":[${many(long)},,${many(long)}]}`],
  ["a comma too many at the end", `{"a":[${many(long)}],}`],
  ["a bracket of another kind", `{"a":[${many(long)}}}`],
  ["something behind the end", `{"a":[${many(long)}]} x`],
  ["no end", `{"a":[${many(long)}`],
  ["too much depth", `{"a":[${many(long)},${"[".repeat(30)}${"]".repeat(30)}]}`],
  ["just the depth that is allowed", `{"a":[${many(long)},${"[".repeat(18)}${"]".repeat(18)}]}`],
  ["one level more", `{"a":[${many(long)},${"[".repeat(19)}${"]".repeat(19)}]}`],
  ["a list", `[${many(long)}]`],
  ["numbers that no double equals", `{"a":[${many(long)},9007199254740993,0.10000000000000000001],"b":-0}`],
])("%s", async (_, text) => {
  expect(text.length).toBeGreaterThan(256 * 1024);
  await expectSame(text);
});

test("any large value is written as in one go", async () => {
  const large = fc
    .record({
      before: fc.dictionary(anyString, jsonValue, { maxKeys: 2 }),
      items: fc.array(jsonValue, { minLength: 1, maxLength: 4 }),
      members: fc.array(fc.tuple(anyString, jsonValue), { minLength: 1, maxLength: 4 }),
      count: fc.integer({ min: 1001, max: 3500 }),
      levels: fc.nat(3),
    })
    .map(({ before, items, members, count, levels }) => {
      const list = Array.from({ length: count }, (_, n) => items[n % items.length] as JsonValue);
      const object = Object.fromEntries(
        Array.from({ length: count }, (_, n) => {
          const [key, value] = members[n % members.length] as [string, JsonValue];
          return [n === 7 ? "__proto__" : `${key}${n}`, value];
        }),
      );
      let value: Record<string, unknown> = { ...before, list, none: undefined, empty: [{}, []], object };
      for (let level = 0; level < levels; level++) value = { first: 1, inner: value, last: {} };
      return value;
    });
  await fc.assert(
    fc.asyncProperty(large, async (value) => {
      const written = await stringifyJsonInSlices(value, maxDepth);
      const expected = stringifyJson(value, { maxDepth });
      // Not by an assertion of its own, which takes long to compare long texts.
      expect(written.toString() === expected).toBe(true);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("a large value that JSON cannot hold is refused, wherever that is in it", async () => {
  const list = Array.from({ length: 5000 }, (_, n) => (n === 4321 ? Number.NaN : n));
  const members = Object.fromEntries(list.map((n, at) => [`k${at}`, n]));
  for (const value of [
    { list },
    { deep: { members } },
    members,
    { list: list.slice(0, 2000), last: [Number.NaN] },
  ]) {
    await expect(stringifyJsonInSlices(value, maxDepth)).rejects.toThrow(JsonError);
  }
  let nested: JsonValue = [];
  for (let level = 0; level < maxDepth; level++) nested = [nested];
  await expect(stringifyJsonInSlices({ list: list.slice(0, 2000), nested }, maxDepth)).rejects.toThrow(
    JsonError,
  );
});
