/** Which files of a session run, and why. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Difference } from "../../src/runner/differences.ts";
import { changedSince } from "../../src/runner/done.ts";
import type { Comparison } from "../../src/runner/fingerprint.ts";
import { type KnownFiles, nothingKnown, type SelectionRequest, select } from "../../src/runner/selection.ts";

const wishes: SelectionRequest = {
  given: [],
  retryFailed: false,
  differences: new Map(),
  rerunChanged: false,
};
const known: KnownFiles = {
  processed: ["good", "bad", "other"],
  pending: ["waiting"],
  results: { good: { exit_code: 0 }, bad: { exit_code: 2 }, other: { score: 1 } },
};

test("files that are pending or new run, the others do not", () => {
  const { added, again, files, failedBefore, choices } = select(known, {
    ...wishes,
    given: ["good", "new", "waiting", "new"],
  });
  expect({ added, again, files, failedBefore }).toEqual({
    added: ["new"],
    again: [],
    files: ["waiting", "new"],
    failedBefore: ["bad"],
  });
  expect([...choices()]).toEqual([
    { file: "good", action: "skip", reason: "done and unchanged" },
    { file: "bad", action: "skip", reason: "failed: exit status 2; --retry-failed runs it again" },
    { file: "other", action: "skip", reason: "done and unchanged" },
    { file: "waiting", action: "run", reason: "pending" },
    { file: "new", action: "run", reason: "new" },
  ]);
});

const same: Difference = { content: { kind: "unchanged" }, otherCommand: false, otherDepends: false };
const edited: Comparison = { kind: "changed", what: "size" };

test("failed or changed files run again on request", () => {
  const differences = new Map([["other", { ...same, content: edited, otherCommand: true }]]);
  const selection = select(known, { ...wishes, retryFailed: true, differences, rerunChanged: true });
  expect(selection.again).toEqual(["bad", "other"]);
  expect(selection.failedBefore).toEqual([]);
  expect([...selection.choices()].map(({ reason }) => reason)).toEqual([
    "done and unchanged",
    "failed: exit status 2",
    "changed: size, done by another command",
    "pending",
  ]);
});

test("without a request, what has changed is skipped, and the reason says how it has", () => {
  const reasonFor = (difference: Difference) => {
    const files: KnownFiles = { ...known, processed: ["good"] };
    const [choice] = select(files, { ...wishes, differences: new Map([["good", difference]]) }).choices();
    expect(choice?.action).toBe("skip");
    return choice?.reason;
  };
  expect(reasonFor({ ...same, content: edited, otherDepends: true })).toBe(
    "changed: size, done before a change of the --depends files; --rerun-if changed runs it again",
  );
  expect(reasonFor({ ...same, content: { kind: "gone" }, otherCommand: true })).toBe(
    "the file is gone; its result is kept",
  );
  expect(reasonFor({ ...same, content: { kind: "unknown" } })).toBe(
    "its result has no hash to compare, and is kept",
  );
});

test("only files that succeeded and are neither pending nor gone have changed since they were done", () => {
  const differences = new Map<string, Difference>([
    ["good", { ...same, content: edited, otherCommand: true }],
    ["bad", { content: edited, otherCommand: true, otherDepends: true }],
    ["other", { content: { kind: "gone" }, otherCommand: true, otherDepends: true }],
    ["again", { content: edited, otherCommand: true, otherDepends: true }],
  ]);
  const files = { ...known, processed: [...known.processed, "again"], pending: ["again"] };
  expect(changedSince(files, differences)).toEqual({
    content: ["good"],
    command: ["good"],
    depends: [],
    done: 2,
  });
});

test("names of properties of every object are ordinary file names", () => {
  const session: KnownFiles = { processed: ["__proto__", "constructor"], pending: [], results: {} };
  const { again, added } = select(session, { ...wishes, given: ["toString"], retryFailed: true });
  expect({ again, added }).toEqual({ again: [], added: ["toString"] });
});

const file = fc.constantFrom(..."abcdefgh");
const session = fc.record({
  processed: fc.uniqueArray(file),
  pending: fc.uniqueArray(file),
  results: fc.dictionary(file, fc.record({ exit_code: fc.nat(2) })),
});

test("every file is chosen once, runs once if it runs, and what is pending always does", () => {
  fc.assert(
    fc.property(session, fc.array(file), fc.boolean(), (before, given, retryFailed) => {
      const selection = select(before, { ...wishes, given, retryFailed });
      const choices = [...selection.choices()];
      const all = new Set([...before.processed, ...before.pending, ...given]);
      expect(choices.map((choice) => choice.file).sort()).toEqual([...all].sort());
      const run = choices.filter(({ action }) => action === "run").map((choice) => choice.file);
      expect(new Set(selection.files)).toEqual(new Set(run));
      expect(selection.files).toHaveLength(run.length);
      for (const pending of before.pending) expect(selection.files).toContain(pending);
    }),
  );
});

test("a hundred thousand files are chosen in a moment", () => {
  const given = Array.from({ length: 100_000 }, (_, at) => `src/${at}.ts`);
  const began = process.cpuUsage();
  const first = select(nothingKnown, { ...wishes, given });
  expect(select({ processed: first.files, pending: [], results: {} }, { ...wishes, given }).files).toEqual(
    [],
  );
  // Of processor time, which other programs do not take from.
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1000).toBeLessThan(2000);
});
