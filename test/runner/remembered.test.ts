/** The options that a session remembers of a run: what is written is read again, and what is odd is said. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber, type JsonValue, parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import type { Halt } from "../../src/runner/halt.ts";
import { optionWords, type RememberedOptions, readRun, runChanges } from "../../src/runner/remembered.ts";
import { changeRun, runProblems } from "../../src/session/run-memory.ts";
import { jsonValue } from "../support/arbitraries.ts";

const halt: fc.Arbitrary<Halt> = fc.record({
  when: fc.constantFrom("soon", "now"),
  on: fc.constantFrom("fail", "success", "done"),
  limit: fc.oneof(
    fc.record({ count: fc.integer({ min: 1, max: 999_999 }) }),
    fc.record({ percent: fc.integer({ min: 1, max: 100 }) }),
  ),
});
const max = fc.constantFrom("5", "0.50", "1e6", "123456789012345678901");
const values: { [Name in keyof RememberedOptions]-?: fc.Arbitrary<RememberedOptions[Name]> } = {
  jobs: fc.constantFrom("4", "50%", "+1", "-1", "100%"),
  retries: fc.nat(),
  retryDelay: fc.nat(2 ** 40),
  delay: fc.nat(2 ** 40),
  deferOn: fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 3 }),
  maxDefer: fc.nat(2 ** 40),
  timeout: fc.integer({ min: 1, max: 2 ** 40 }),
  halt,
  onPause: fc.constantFrom("hold", "exit"),
  depends: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
  budget: fc
    .uniqueArray(fc.tuple(fc.constantFrom("cost", "usage.tokens", "/a.b", "__proto__"), max), {
      selector: ([key]) => key,
      minLength: 1,
    })
    .map((entries) => new Map(entries)),
  outputLimit: fc.nat(16 * 1024 * 1024),
};
const options = fc.record(values, { requiredKeys: [] }) as fc.Arbitrary<RememberedOptions>;
const word = fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => !text.includes("\0"));
const template = fc.record({
  words: fc
    .tuple(
      word.filter((text) => text !== ""),
      word,
    )
    .map((words) => words as readonly string[]),
  shell: fc.boolean(),
});

test("what a run is given is read again as it was, through JSON, beside keys of others", () => {
  fc.assert(
    fc.property(template, options, (given, some) => {
      const changes = runChanges({ template: given, directory: "/src", options: some });
      const stored = changeRun({ mine: new ExactNumber("1.0") }, changes) as JsonValue;
      expect(runProblems(stored)).toEqual([]);
      const text = stringifyJson(stored);
      expect(text).toContain('"mine":1.0');
      expect(readRun(parseJson(text))).toEqual({
        template: given,
        directory: "/src",
        options: some,
        problems: new Map(),
      });
    }),
  );
});

test("an option without a value is forgotten; one that is not given stays", () => {
  const stored = { command: ["a"], shell: true, jobs: "4", retries: 1, halt: "now,fail=1" };
  const changes = runChanges({ options: { halt: undefined, retries: 0 } });
  expect(changeRun(stored, changes)).toEqual({ command: ["a"], shell: true, jobs: "4", retries: 0 });
  const other = runChanges({ template: { words: ["b"], shell: false }, options: {} });
  expect(changeRun(stored, other)).toEqual({ command: ["b"], jobs: "4", retries: 1, halt: "now,fail=1" });
});

test("numbers of other programs are read, however they are spelled", () => {
  expect(readRun(parseJson('{"jobs": 4, "retries": 2.0, "output_limit": "1kB"}')).options).toEqual({
    jobs: "4",
    retries: 2,
    outputLimit: 1000,
  });
});

test.each<[string, string]>([
  ['{"jobs": "0%"}', "jobs"],
  ['{"jobs": true}', "jobs"],
  ['{"jobs": {}}', "jobs"],
  ['{"retries": -1}', "retries"],
  ['{"retries": "2"}', "retries"],
  ['{"timeout": 5}', "timeout"],
  ['{"timeout": "5"}', "timeout"],
  ['{"halt": "never"}', "halt"],
  ['{"halt": ["now,fail=1"]}', "halt"],
  ['{"output_limit": 16384}', "outputLimit"],
  ['{"output_limit": "17MiB"}', "outputLimit"],
  ['{"depends": "prompt.md"}', "depends"],
  ['{"depends": [1]}', "depends"],
  ['{"command": "node {}"}', "command"],
  ['{"command": ["node"], "shell": "yes"}', "command"],
  ['{"directory": "here"}', "directory"],
  ['"node {}"', "command"],
  ["null", "command"],
])("%s: %s cannot be used, and the reason says why", (text, name) => {
  const { problems } = readRun(parseJson(text));
  expect([...problems.keys()]).toEqual([name]);
  expect(problems.get(name)).toMatch(/^run/);
});

test("whatever the key holds, it is read without an error", () => {
  const some = fc.dictionary(
    fc.constantFrom("command", "directory", "shell", "jobs", "retries", "timeout", "halt", "output_limit"),
    jsonValue,
  );
  fc.assert(
    fc.property(fc.oneof(jsonValue, some), (run) => {
      const { template: read, problems } = readRun(run as JsonValue);
      if (read !== undefined) expect(problems.has("command")).toBe(false);
    }),
  );
});

test("options are shown as they are typed", () => {
  const shown = optionWords({ jobs: "50%", retries: 2, timeout: 90_000, outputLimit: 100 });
  expect(shown.join(" ")).toBe("--jobs 50% --retries 2 --timeout 90s --output-limit 100B");
});
