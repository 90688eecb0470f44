/** Which files of a session run, and why. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Comparison } from "../../src/runner/fingerprint.ts";
import { type KnownFiles, nothingKnown, type SelectionRequest, select } from "../../src/runner/selection.ts";

const wishes: SelectionRequest = { given: [], retryFailed: false, compared: undefined };
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
    { file: "good", action: "skip", reason: "done" },
    { file: "bad", action: "skip", reason: "failed: exit status 2; --retry-failed runs it again" },
    { file: "other", action: "skip", reason: "done" },
    { file: "waiting", action: "run", reason: "pending" },
    { file: "new", action: "run", reason: "new" },
  ]);
});

test("failed or changed files run again on request", () => {
  const compared = new Map<string, Comparison>([["other", { kind: "changed", what: "size" }]]);
  const selection = select(known, { ...wishes, retryFailed: true, compared });
  expect(selection.again).toEqual(["bad", "other"]);
  expect(selection.failedBefore).toEqual([]);
  expect([...selection.choices()].map(({ reason }) => reason)).toEqual([
    "done and unchanged",
    "failed: exit status 2",
    "changed: size",
    "pending",
  ]);
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
      const selection = select(before, { given, retryFailed, compared: undefined });
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
