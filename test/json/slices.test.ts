/** Documents that are large enough for pieces. The property tests are in in-slices.property.test.ts. */
import { expect, test } from "vitest";
import { hasMoreValues } from "../../src/json/count-values.ts";
import { JsonError, type JsonValue, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import { parseJsonInSlices } from "../../src/json/parse-in-slices.ts";
import { stringifyJsonInSlices } from "../../src/json/write-in-slices.ts";

const maxDepth = 20;

async function outcome(parse: () => JsonValue | Promise<JsonValue>): Promise<unknown> {
  try {
    return await parse();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return "refused";
  }
}

async function expectSame(text: string): Promise<void> {
  const expected = await outcome(() => parseJson(text, maxDepth));
  expect(await outcome(() => parseJsonInSlices(Buffer.from(text), maxDepth))).toEqual(expected);
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
  ["lists in a list", `[${many(`[[${many("[]")}]]`)}]`],
  ["one item in many levels", `${'{"a":['.repeat(9)}${many(long)}${"]}".repeat(9)}`],
  ["members in many levels", `{"a":{"b":{"c":[{"d":{${many(long).replaceAll('"x', '"k":"x')}}}]}}}`],
  ["nothing but white space in a list", `[${" ".repeat(300_000)}]`],
  [
    "white space after items",
    `{"a":[1${" ".repeat(1_200_000)},2${" ".repeat(1_200_000)}],"b":{}${" ".repeat(1_200_000)}}`,
  ],
  ["white space after a number alone", `7${" ".repeat(1_200_000)}`],
  ["white space, and then a second number", `[7${" ".repeat(1_200_000)}8]`],
  ["white space around", `${"\n".repeat(300_000)}{"a":1}${" ".repeat(300_000)}`],
  ["a long string", JSON.stringify('ключ 🙂 \\ " \n'.repeat(30_000))],
  ["a long string in an object", `{"a":1, "b" : ${JSON.stringify("🙂".repeat(140_000))} ,"c":[2]}`],
  ["a long string of escape sequences", `["${"\\ud83d\\ude42".repeat(30_000)}",1]`],
  ["a long string with a wrong escape sequence", `["${"\\u0041".repeat(50_000)}\\x",1]`],
  ["a long string without an end", `["${"x".repeat(300_000)}]`],
  ["a long string that ends with a backslash", `["${"x".repeat(300_000)}\\`],
  ["two long strings without a comma", `["${"x".repeat(300_000)}" "${"x".repeat(300_000)}"]`],
  ["a long string in place of a member", `{"a":1,"${"x".repeat(300_000)}"}`],
  ["a long key", `{"${"x".repeat(300_000)}":[${many(long)}]}`],
  ["a number of many digits", `[1,${"1".repeat(300_000)},2]`],
  ["a number before a list", `{"a":1[${many(long)}]}`],
  ["two documents", `{"a":[${many(long)}]}{"b":1}`],
  ["two short documents", `{"a":1}{"b":1}${" ".repeat(300_000)}`],
  ["a number alone", "1".repeat(300_000)],
  ["an error in the middle", `{"a":[${many(long)}],"b":[1,2,x],"c":[${many(long)}]}`],
  ["numbers that no double equals", `{"a":[${many(long)},9007199254740993,0.10000000000000000001],"b":-0}`],
])("%s", async (_, text) => {
  expect(text.length).toBeGreaterThan(256 * 1024);
  await expectSame(text);
});

test.each([
  ["a list", `[${many(long)},1 2,${many(long)}]`],
  ["text that is not ASCII", `{"ключ":[${many('"жук"')},${many(long)},"жук",1 2]}`],
])("an error in %s is named with its place in the whole text", async (_, text) => {
  const bytes = Buffer.from(text);
  const place = `at byte ${bytes.indexOf(" 2") + 1}`;
  await expect(parseJsonInSlices(bytes, maxDepth)).rejects.toThrow(place);
});

test.each([
  ["a key", `{"${"k".repeat(1_100_000)}":1}`, /key is longer/],
  ["a number", `[1,${"1".repeat(1_200_000)}]`, /number, or white space after a key/],
  ["white space", `{"a":${" ".repeat(1_200_000)}1}`, /number, or white space after a key/],
])("%s longer than the caller takes is refused", async (_, text, message) => {
  const limits = { longestToken: 1024 * 1024 };
  await expect(parseJsonInSlices(Buffer.from(text), maxDepth, limits)).rejects.toThrow(message);
  await expectSame(text);
});

test("text that is not UTF-8 is refused", async () => {
  const bytes = Buffer.from('["\xff"]', "latin1");
  await expect(parseJsonInSlices(bytes, maxDepth)).rejects.toThrow(/UTF-8/);
});

test.each([
  ["[]", 1],
  ["  7 ", 1],
  ["[1,2,[3,{}],[ ]]", 7],
  ['{"a,[":"b,{\\"[","c":{"d":[]}}', 4],
  [`["${"x,".repeat(400_000)}",1]`, 3],
  [`[${"[],".repeat(300_000)}[]]`, 300_002],
])("the values of %.20s are counted", async (text, count) => {
  // The count is exact only where the text could have as many values.
  const bytes = Buffer.from(text);
  expect(await hasMoreValues(bytes, count)).toBe(false);
  expect(await hasMoreValues(Buffer.concat([bytes, Buffer.alloc(2 * count, " ")]), count)).toBe(false);
  expect(await hasMoreValues(Buffer.concat([bytes, Buffer.alloc(2 * count, " ")]), count - 1)).toBe(true);
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
