/** Any text and any value means the same, and fails the same, in one go or a piece at a time. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonError, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import { parseJsonInSlices, type TextSizes } from "../../src/json/parse-in-slices.ts";
import { jsonPieces, type PieceSizes, stringifyJsonInSlices } from "../../src/json/write-in-slices.ts";
import { anyString, jsonValue } from "../support/arbitraries.ts";
import { runs } from "../support/runs.ts";

const maxDepth = 20;

/** Short pieces, so that a short text has many and they end anywhere. */
const textSizes: fc.Arbitrary<TextSizes> = fc.record({
  longText: fc.constant(0),
  piece: fc.integer({ min: 1, max: 40 }),
});
const pieceSizes: fc.Arbitrary<PieceSizes> = fc.record({
  text: fc.integer({ min: 1, max: 40 }),
  values: fc.integer({ min: 1, max: 8 }),
});

const depth = fc.integer({ min: 2, max: maxDepth });

/** Values whose lists and objects are large enough for pieces, at the levels that are written in pieces. */
const value = fc
  .record({
    before: fc.dictionary(anyString, jsonValue, { maxKeys: 2 }),
    items: fc.array(jsonValue, { maxLength: 8 }),
    members: fc.dictionary(anyString, jsonValue, { maxKeys: 8 }),
    after: jsonValue,
    levels: fc.nat(3),
  })
  .map(({ before, items, members, after, levels }) => {
    const inner: Record<string, unknown> = {
      ...before,
      items,
      none: undefined,
      empty: [{}, []],
      members,
      after,
    };
    let outer = inner;
    for (let level = 0; level < levels; level++) outer = { first: 1, inner: outer, last: {} };
    return outer;
  });

const text = fc
  .tuple(value, fc.constantFrom(0, 2))
  .map(([any, indent]) => stringifyJson(any, { indent, maxDepth: 100 }));

async function outcome(what: () => unknown): Promise<unknown> {
  try {
    return await what();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return "refused";
  }
}

async function expectSameParsed(text: string, size: TextSizes, allowed: number): Promise<void> {
  // As UTF-8 has it: a pair of surrogates that was cut in two is none any more.
  const any = text.toWellFormed();
  const expected = await outcome(() => parseJson(any, allowed));
  expect(await outcome(() => parseJsonInSlices(Buffer.from(any), allowed, { sizes: size }))).toEqual(
    expected,
  );
}

const wrongs = [",", "]", "}", "[", "{", '"', ":", "1", "\\", " ", ""];

test("texts with any character replaced or added mean the same, wherever their pieces end", async () => {
  for (const good of ['{"a":[1,22,[3],{}],"b":{"c":1,"d":{"c":[]}},"e":"x"}', '{"a":[],"b":{}, "c" : 1.5}']) {
    for (let at = 0; at <= good.length; at++) {
      for (const wrong of wrongs) {
        for (const end of [at, at + 1]) {
          const any = good.slice(0, at) + wrong + good.slice(end);
          for (const piece of [1, 2, 5]) await expectSameParsed(any, { longText: 0, piece }, 4);
        }
      }
    }
  }
});

test("any text is parsed as in one go", async () => {
  await fc.assert(fc.asyncProperty(text, textSizes, depth, expectSameParsed), runs(200, 5000));
});

test("a text with one thing wrong is refused as in one go", async () => {
  const put = fc.constantFrom(...wrongs);
  await fc.assert(
    fc.asyncProperty(text, textSizes, fc.nat(), put, async (good, size, place, wrong) => {
      const at = place % good.length;
      await expectSameParsed(good.slice(0, at) + wrong + good.slice(at + 1), size, maxDepth);
    }),
    runs(400, 10_000),
  );
});

test("any value is written as in one go", async () => {
  await fc.assert(
    fc.asyncProperty(value, pieceSizes, depth, async (any, size, allowed) => {
      const expected = await outcome(() => stringifyJson(any, { maxDepth: allowed }));
      const written = await outcome(async () => (await stringifyJsonInSlices(any, allowed, size)).toString());
      expect(written).toBe(expected);
    }),
    runs(300, 5000),
  );
});

test("any value is indented as in one go", async () => {
  const level = fc.nat(3);
  await fc.assert(
    fc.asyncProperty(value, pieceSizes, level, async (any, sizes, level) => {
      const line = `\n${"  ".repeat(level)}`;
      const expected = stringifyJson(any, { indent: 2, maxDepth: 100 }).replaceAll("\n", line);
      expect([...jsonPieces(any, { indent: 2, level, maxDepth: 100, sizes })].join("")).toBe(expected);
    }),
    runs(300, 5000),
  );
});
