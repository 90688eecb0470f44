/** A JSON object that is split into its members while it arrives. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  JsonError,
  type JsonObject,
  type JsonValue,
  parseJson,
  stringifyJson,
} from "../../src/json/exact-json.ts";
import { streamedMembers } from "../../src/json/streamed-members.ts";
import { jsonValue } from "../support/arbitraries.ts";
import { runs } from "../support/runs.ts";

async function* inPieces(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0, count = 0; at < bytes.length; count++) {
    const size = sizes[count % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

type Pair = [key: string, value: JsonValue];

async function read(text: string, sizes: readonly number[] = [7]) {
  const [outer, inner]: [Pair[], Pair[]] = [[], []];
  for await (const members of streamedMembers(inPieces(text, sizes), "results")) {
    for (const { isInner, text } of members)
      (isInner ? inner : outer).push(...Object.entries(parseJson(`{${text}}`, 100) as JsonObject));
  }
  return { outer, inner };
}

describe("an object in pieces", () => {
  test.each<[string, { outer: Pair[]; inner: Pair[] }]>([
    ["{}", { outer: [], inner: [] }],
    [' { "a" : 1 } ', { outer: [["a", 1]], inner: [] }],
    ['{"results":{}}', { outer: [], inner: [] }],
    ['{"results" : { } , "a":2}', { outer: [["a", 2]], inner: [] }],
    [
      '{"results":{"x":{"results":{"y":1}}},"a":[{"results":{}}]}',
      {
        outer: [["a", [{ results: {} }]]],
        inner: [["x", { results: { y: 1 } }]],
      },
    ],
    [
      '{"results":[1,2],"a":"}],{\\"\\\\"}',
      {
        outer: [
          ["results", [1, 2]],
          ["a", '}],{"\\'],
        ],
        inner: [],
      },
    ],
    [
      '{"re\\u0073ults":{"x":1,"y":2}}',
      {
        outer: [],
        inner: [
          ["x", 1],
          ["y", 2],
        ],
      },
    ],
    ['{"a":{"results":{"x":1}}}', { outer: [["a", { results: { x: 1 } }]], inner: [] }],
  ])("%s", async (text, expected) => {
    for (const sizes of [[1], [2, 3], [100]]) expect(await read(text, sizes)).toEqual(expected);
  });

  test.each(["", '{"a":1', '{"results":{"x":1}', '{"a":"', "{"])("%s ends early", async (text) => {
    await expect(read(text)).rejects.toThrow(JsonError);
  });

  test("gives the members that the text has, wherever it is cut", async () => {
    const object = fc.dictionary(fc.string({ unit: "binary" }), jsonValue);
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(object, object, sizes, fc.constantFrom(0, 2), async (some, results, sizes, indent) => {
        const { results: _, ...rest } = some;
        const text = stringifyJson({ results, ...rest }, { indent, maxDepth: 100 });
        const { outer, inner } = await read(text, sizes);
        const again = (pairs: Pair[]) => stringifyJson(Object.fromEntries(pairs), { maxDepth: 100 });
        expect(again(outer)).toBe(stringifyJson(rest, { maxDepth: 100 }));
        expect(again(inner)).toBe(stringifyJson(results, { maxDepth: 100 }));
      }),
      runs(100, 2000),
    );
  });
});
