import fc from "fast-check";
import { expect, test } from "vitest";
import { summarize } from "../../../../src/session/session.ts";
import { labelElement } from "../../../../src/store/postgres/view/label-element.ts";
import { searchPattern, searchText } from "../../../../src/store/postgres/view/search-text.ts";
import { columnsOf, summaryOf } from "../../../../src/store/postgres/view/summary-row.ts";
import { parseTimestamp } from "../../../../src/time/clock.ts";
import { anyString, session } from "../../../support/arbitraries.ts";
import { runs } from "../../../support/runs.ts";

const summary = fc
  .tuple(session, fc.integer({ min: 1, max: 2 ** 52 }), fc.nat())
  .map(([any, revision, bytes]) => summarize(any, revision, bytes));

test("a summary comes back from its columns as it was, and every column is text that PostgreSQL holds", () => {
  fc.assert(
    fc.property(summary, (any) => {
      const columns = columnsOf(any);
      expect(summaryOf(columns)).toStrictEqual(any);
      expect(JSON.stringify(summaryOf(columns).labels)).toBe(JSON.stringify(any.labels));
      expect(columns.checkpoint_us).toBe(parseTimestamp(any.checkpoint_time));
      for (const text of [columns.id, columns.search, ...columns.labels]) {
        expect(text.isWellFormed()).toBe(true);
        expect(text).not.toContain("\0");
      }
    }),
    runs(300, 5000),
  );
});

test("only a checkpoint time in another form than the usual one is kept as text", () => {
  const at = (checkpoint_time: string) => columnsOf({ ...fixed, checkpoint_time }).checkpoint_text;
  expect(at("2026-01-02T03:04:05.123456Z")).toBeNull();
  expect(at("2026-01-02T03:04:05Z")).toBe("2026-01-02T03:04:05Z");
  expect(at("2026-01-02T04:04:05.123456+01:00")).toBe("2026-01-02T04:04:05.123456+01:00");
  expect(at("0000-01-01T00:00:00.000000+05:00")).toBe("0000-01-01T00:00:00.000000+05:00");
});

const fixed = summarize(
  {
    session_id: "s",
    status: "running",
    config: { target_path: "/src" },
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: "2026-01-02T03:04:05Z",
  },
  1,
  1,
);

/** Few characters, so that texts contain each other; among them all that are written in another way. */
const narrow = fc
  .array(fc.constantFrom("a", "A", "\0", "\uE000", "\uE001", "\uE010", "\ud800", "%", "_", "\\", "\n"), {
    maxLength: 6,
  })
  .map((characters) => characters.join(""));

test("a text is found exactly where the index finds it", () => {
  fc.assert(
    fc.property(narrow, narrow, narrow, narrow, (session_id, target_path, status_reason, q) => {
      const wanted = q.toLowerCase();
      const isFound = [session_id, target_path, status_reason].some((text) =>
        text.toLowerCase().includes(wanted),
      );
      const text = searchText({ session_id, target_path, status_reason });
      expect(isLike(text, searchPattern(q))).toBe(isFound);
    }),
    runs(2000, 50_000),
  );
});

/** LIKE for a pattern with a `%` at both ends, and no other wildcard that is not escaped. */
function isLike(text: string, pattern: string): boolean {
  const inner = pattern.slice(1, -1);
  expect(inner.replace(/\\./gs, "")).not.toMatch(/[%_\\]/);
  return text.includes(inner.replace(/\\(.)/gs, "$1"));
}

test("labels are equal exactly if their elements are, however long they are", () => {
  const text = fc.oneof(anyString, narrow, fc.constantFrom("=", "a=b", "b=c", "x".repeat(600)));
  fc.assert(
    fc.property(text, text, text, text, (key, value, otherKey, otherValue) => {
      const element = labelElement(key, value);
      expect(element === labelElement(otherKey, otherValue)).toBe(key === otherKey && value === otherValue);
      expect(Buffer.byteLength(element)).toBeLessThan(1000);
    }),
    runs(500, 5000),
  );
  expect(labelElement("a=b", "c")).not.toBe(labelElement("a", "b=c"));
});
