/** Keys of results: how they are read, and what they find. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../src/json/exact-json.ts";
import { parseJson } from "../../src/json/exact-json.ts";
import { parseResultKey, ResultKeyError, valueAt } from "../../src/session/result-key.ts";
import { runs } from "../support/runs.ts";

const at = (result: JsonValue | undefined, key: string) => valueAt(result, parseResultKey(key));

describe("a key of a result", () => {
  test("names a value with dots or as a JSON pointer", () => {
    const result = parseJson('{"usage": {"tokens": 7, "a/b~c": 8}, "list": [{"n": 1}], "a.b": 9, "": 10}');
    expect(at(result, "usage.tokens")).toBe(7);
    expect(at(result, "/usage/tokens")).toBe(7);
    expect(at(result, "/usage/a~1b~0c")).toBe(8);
    expect(at(result, "list.0.n")).toBe(1);
    expect(at(result, "/a.b")).toBe(9);
    expect(at(result, "/")).toBe(10);
  });

  test("is looked up in the JSON of stdout, then in the result", () => {
    const result = { exit_code: 0, stdout: { exit_code: 3, issues: null }, stderr: "", issues: 5 };
    expect(at(result, "exit_code")).toBe(3);
    expect(at(result, "stdout.exit_code")).toBe(3);
    expect(at(result, "stderr")).toBe("");
    expect(at(result, "issues")).toBe(null);
    expect(at({ stdout: [{ n: 1 }] }, "0.n")).toBe(1);
    expect(at({ stdout: "text", length: 2 }, "length")).toBe(2);
  });

  test.each<[JsonValue | undefined, string]>([
    [undefined, "a"],
    [null, "a"],
    [5, "a"],
    ["text", "length"],
    [{ a: 1 }, "toString"],
    [{ a: 1 }, "__proto__"],
    [{ a: [1] }, "a.length"],
    [{ a: [1] }, "a.1"],
    [{ a: [1] }, "a.00"],
    [{ a: [1] }, "a.-1"],
    [{ a: null }, "a.b"],
  ])("finds nothing in %j at %s", (result, key) => {
    expect(at(result, key)).toBe(undefined);
  });

  test.each([
    ["", 0],
    [".a", 0],
    ["a..b", 1],
    ["a.", 1],
    ["/a~2", 2],
    ["/a~", 2],
  ])("%j is none: the character at %i", (text, place) => {
    expect(() => parseResultKey(text)).toThrow(expect.objectContaining({ at: place }));
    expect(() => parseResultKey(text)).toThrow(ResultKeyError);
  });

  test("as a pointer reaches every member there is", () => {
    const path = fc.array(fc.string(), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(path, fc.integer(), (keys, value) => {
        const result = keys.reduceRight<JsonValue>((inner, key) => Object.fromEntries([[key, inner]]), value);
        const escaped = keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1"));
        expect(valueAt({ stdout: result }, parseResultKey(`/${escaped.join("/")}`))).toBe(value);
      }),
      runs(50, 2000),
    );
  });
});
