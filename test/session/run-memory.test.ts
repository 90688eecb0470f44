/** What the key `run` may hold, what a change makes of it, and what is said of odd ones. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber, type JsonValue } from "../../src/json/exact-json.ts";
import { assertMayAdd } from "../../src/session/additions.ts";
import { applyCommand } from "../../src/session/command.ts";
import { diagnose } from "../../src/session/diagnosis.ts";
import { changeRun, maxRunLength, runProblems } from "../../src/session/run-memory.ts";
import { newSession } from "../../src/session/session.ts";
import { jsonObject, jsonValue, session } from "../support/arbitraries.ts";

const now = "2026-01-02T03:04:05.000001Z";
const good = { command: ["node", "--check", "{}"], directory: "/src", jobs: "4", mine: [1] };

test.each<[string, JsonValue, string[]]>([
  ["all that a run remembers", good, []],
  ["nothing", {}, []],
  ["a text", "node --check {}", ["run"]],
  ["null", null, ["run"]],
  ["an array", [], ["run"]],
  ["a command that is a text", { command: "node --check {}" }, ["run.command"]],
  ["a command without words", { command: [] }, ["run.command"]],
  ["a command without a program", { command: ["", "x"] }, ["run.command"]],
  ["a word that is a number", { command: ["sleep", 1] }, ["run.command"]],
  ["a word with NUL", { command: ["a", "b\0"] }, ["run.command"]],
  ["an empty word", { command: ["a", ""] }, []],
  ["a relative directory", { directory: "src" }, ["run.directory"]],
  ["a directory that is a number", { directory: new ExactNumber("5.0") }, ["run.directory"]],
  ["a command line of 100,000 characters", { command: ["a", "x".repeat(100_000)] }, []],
  ["more than is kept", { command: ["a"], mine: "x".repeat(maxRunLength) }, ["run"]],
  ["both of them odd", { command: 1, directory: 2 }, ["run.command", "run.directory"]],
])("%s", (_, run, paths) => {
  expect(runProblems(run).map(({ path }) => path)).toEqual(paths);
  const config = { target_path: "/" };
  const isRefused = () => assertMayAdd({ config, run });
  if (paths.length === 0) expect(isRefused).not.toThrow();
  else {
    expect(isRefused).toThrow(expect.objectContaining({ code: "invalid_request" }));
    // What is stored already is kept, and said.
    expect(() => assertMayAdd({ config, run }, { config, run })).not.toThrow();
  }
  const stored = { ...newSession({ session_id: "s", config }, "g", now), run };
  expect(diagnose(stored).map(({ code }) => code)).toEqual(paths.map(() => "odd_run"));
});

test("a change sets and removes keys, and keeps the others as they are", () => {
  expect(changeRun(good, { jobs: null, command: ["b"], retries: 2 })).toEqual({
    command: ["b"],
    directory: "/src",
    mine: [1],
    retries: 2,
  });
  expect(changeRun({ mine: null }, { command: ["b"] })).toEqual({ mine: null, command: ["b"] });
  expect(changeRun(good, null)).toBeUndefined();
  expect(changeRun({ a: 1 }, { a: null })).toBeUndefined();
  expect(changeRun("odd", { command: ["b"] })).toEqual({ command: ["b"] });
  expect(changeRun(undefined, {})).toBeUndefined();
});

test("whatever is stored and whatever changes: each key is what the change says, else what it was", () => {
  fc.assert(
    fc.property(fc.option(jsonValue, { nil: undefined }), jsonObject, (before, changes) => {
      const after = changeRun(before, changes) ?? {};
      const kept = typeof before === "object" && before?.constructor === Object ? before : {};
      for (const key of new Set([...Object.keys(kept), ...Object.keys(changes)])) {
        const expected = Object.hasOwn(changes, key)
          ? (changes[key] ?? undefined)
          : (kept as typeof changes)[key];
        expect(Object.hasOwn(after, key) ? after[key] : undefined).toEqual(expected);
      }
      // The same change twice is the change once.
      expect(changeRun(after, changes) ?? {}).toEqual(after);
    }),
  );
});

test("an edit changes what a run remembers and nothing else", () => {
  fc.assert(
    fc.property(session, (any) => {
      const { run: _, ...before } = any;
      const edited = applyCommand(before as typeof any, { type: "edit", run: good }, now);
      expect(edited).toEqual({ ...before, run: good });
      expect(applyCommand(edited, { type: "edit", run: null }, now)).toEqual(before);
    }),
  );
});
