/** What a request may add to a session, beside what is stored. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assertMayAdd } from "../../src/session/additions.ts";
import { repeatedFiles } from "../../src/session/repeated-files.ts";

type Labels = Record<string, string>;

const config = { target_path: "/" };

function many(count: number): Labels {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, "v"]));
}

/** The paths of the issues. */
function refused(after: Labels, before?: Labels): string[] {
  return pathsOf(() => assertMayAdd({ config, labels: after }, before && { config, labels: before }));
}

function pathsOf(check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    const { code, issues } = error as { code: string; issues: { path: string }[] };
    expect(code).toBe("invalid_request");
    return issues.map(({ path }) => path);
  }
}

describe("labels", () => {
  const emoji = "🙂";

  test.each<[string, Labels, Labels | undefined, string[]]>([
    ["64 labels", many(64), undefined, []],
    ["65 labels", many(65), undefined, ["labels"]],
    ["a key of 128 characters", { [emoji.repeat(128)]: "" }, undefined, []],
    ["a key of 129 characters", { ["k".repeat(129)]: "" }, undefined, [`labels["${"k".repeat(40)}…"]`]],
    ["a value of 1,024 characters", { a: emoji.repeat(1024) }, undefined, []],
    ["a value of 1,025 characters", { a: "é".repeat(1025) }, undefined, ['labels["a"]']],
    ["a value of halves of surrogates", { a: "\ud83d".repeat(1025) }, undefined, ['labels["a"]']],
    ["what is stored: too many", many(100), many(100), []],
    ["what is stored: too many, and fewer now", many(90), many(100), []],
    ["what is stored: too many, one changed", { ...many(100), k7: "w" }, many(100), []],
    ["one more than too many", many(101), many(100), ["labels"]],
    ["fewer, but one of them new", { ...many(98), extra: "" }, many(100), ["labels"]],
    [
      "what is stored: too long",
      { ["k".repeat(200)]: "v".repeat(2000) },
      { ["k".repeat(200)]: "v".repeat(2000) },
      [],
    ],
    [
      "what is stored: a long key, with another value",
      { ["k".repeat(200)]: "w" },
      { ["k".repeat(200)]: "v" },
      [],
    ],
    ["a long value changed into another", { a: "w".repeat(2000) }, { a: "v".repeat(2000) }, ['labels["a"]']],
    ["a key that every object has", JSON.parse('{"__proto__":"v","constructor":"v"}'), {}, []],
  ])("%s", (_, after, before, paths) => {
    expect(refused(after, before)).toEqual(paths);
  });

  test("a removal is never refused, whatever is stored", () => {
    const stored = fc.dictionary(fc.string({ maxLength: 200 }), fc.string({ maxLength: 1500 }), {
      maxKeys: 90,
    });
    fc.assert(
      fc.property(stored, fc.nat(), (before, seed) => {
        const kept = Object.fromEntries(Object.entries(before).filter((_, at) => (seed >> (at % 16)) & 1));
        expect(refused(kept, before)).toEqual([]);
      }),
    );
  });
});

test("of file patterns one must not be blank, unless the stored ones are blank already", () => {
  const withPatterns = (...file_patterns: string[]) => ({ config: { ...config, file_patterns } });
  const check = (after: object, before?: object) =>
    pathsOf(() => assertMayAdd(after as { config: typeof config }, before as { config: typeof config }));
  for (const blank of [[], [""], [" ", "\t\n"]]) {
    expect(check(withPatterns(...blank))).toEqual(["config.file_patterns"]);
    expect(check(withPatterns(...blank), withPatterns("*.py"))).toEqual(["config.file_patterns"]);
    expect(check(withPatterns(...blank), { config })).toEqual(["config.file_patterns"]);
    expect(check(withPatterns(...blank), withPatterns(""))).toEqual([]);
  }
  expect(check(withPatterns("", "*.py"))).toEqual([]);
  expect(check({ config })).toEqual([]);
});

test("files that are named twice are found, each at its later place", async () => {
  expect((await repeatedFiles({ processed_files: ["a", "b"], pending_files: ["c", "./a"] })).count).toBe(0);
  expect(await repeatedFiles({ processed_files: ["a", "b", "a"], pending_files: ["c", "b", "c"] })).toEqual({
    count: 3,
    issues: [
      { path: "processed_files[2]", message: '"a" is in processed_files twice; name each file once' },
      { path: "pending_files[1]", message: '"b" is in processed_files too; name each file in one list only' },
      { path: "pending_files[2]", message: '"c" is in pending_files twice; name each file once' },
    ],
  });
  const list = fc.array(fc.constantFrom("a", "b", "__proto__", "", "\ud800", "\udfff"), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(list, list, async (processed_files, pending_files) => {
      const { count, issues } = await repeatedFiles({ processed_files, pending_files });
      const all = [...processed_files, ...pending_files];
      expect(count).toBe(all.length - new Set(all).size);
      expect(issues).toHaveLength(count);
    }),
  );
  const { count, issues } = await repeatedFiles({ pending_files: Array<string>(5000).fill("x".repeat(500)) });
  expect([count, issues.length]).toEqual([4999, 50]);
  expect(issues[0]?.message.length).toBeLessThan(300);
});
