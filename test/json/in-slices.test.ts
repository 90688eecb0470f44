/** Documents that are large enough for pieces. The property tests are in in-slices.property.test.ts. */
import { expect, test } from "vitest";
import { JsonError, type JsonValue, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import { parseJsonInSlices, stringifyJsonInSlices } from "../../src/json/in-slices.ts";

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

test("a large value is written as in one go, as UTF-8", async () => {
  const list = Array.from({ length: 3500 }, (_, n) => [n, "ключ 🙂"]);
  const members = Object.fromEntries(list.map((item, n) => [n === 7 ? "__proto__" : `k${n}`, item]));
  for (const value of [{ list }, { inner: { first: 1, members, last: {} } }, members, list]) {
    const written = await stringifyJsonInSlices(value, maxDepth);
    expect(written).toBeInstanceOf(Buffer);
    expect(written.toString() === stringifyJson(value, { maxDepth })).toBe(true);
  }
});

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
