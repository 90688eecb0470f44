import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeReport, progressText } from "../../../src/client/worker/report.ts";
import { SessionDocument } from "../../../src/client/worker/session-document.ts";
import { type JsonObject, parsePlainJson, stringifyJson } from "../../../src/json/exact-json.ts";
import { applyProgress, type ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import { anyString, jsonObject, session as sessionState } from "../../support/arbitraries.ts";

const file = fc.oneof(fc.constantFrom("a", "b", "c", "__proto__"), anyString);
const delta = fc.record({
  processed: fc.array(file, { maxLength: 3 }),
  added: fc.array(file, { maxLength: 3 }),
  results: jsonObject,
});

/** As after the ack of a message with one report. */
function note(document: SessionDocument, one: ProgressDelta): readonly string[] {
  const report = encodeReport(one);
  return document.apply([report], progressText(1, [report]));
}

/** Without what is not told with an acknowledgment: files that the document names twice are listed once. */
function normal(session: Session): Session {
  return { ...session, pending_files: [...new Set(session.pending_files)] };
}

/** As a JavaScript caller gets it. */
function asPlain(one: ProgressDelta): ProgressDelta {
  return parsePlainJson(stringifyJson(one, { maxDepth: 1000 }), 1000) as ProgressDelta;
}

it("is after each report what the daemon makes of it", () => {
  fc.assert(
    fc.property(sessionState, fc.array(delta, { maxLength: 8 }), fc.boolean(), (stored, deltas, look) => {
      const text = stringifyJson(stored, { maxDepth: 1000 });
      const document = new SessionDocument(parsePlainJson(text, 1000) as unknown as Session);
      let expected: Session = normal(parsePlainJson(text, 1000) as unknown as Session);
      for (const one of deltas) {
        const before = new Set([...expected.pending_files, ...expected.processed_files]);
        expected = { ...expected, ...applyProgress(expected, asPlain(one)) };
        const added = note(document, one);
        expect(added).toEqual(expected.pending_files.filter((name) => !before.has(name)));
        if (look) expect(document.session).toEqual(expected);
      }
      expect(stringifyJson(document.session, { maxDepth: 1000 })).toBe(
        stringifyJson(expected, { maxDepth: 1000 }),
      );
    }),
    { numRuns: 300 },
  );
});

it("has no results where nobody wants them", () => {
  const document = new SessionDocument(
    {
      session_id: "a",
      status: "running",
      config: { target_path: "src" },
      processed_files: [],
      pending_files: ["x"],
      partial_results: { y: 1 } as JsonObject,
      checkpoint_time: "2026-01-02T03:04:05Z",
    },
    { keepsResults: false },
  );
  note(document, { processed: ["x"], results: { x: 1 } });
  expect(document.session).toMatchObject({ processed_files: ["x"], pending_files: [], partial_results: {} });
});

it("costs what a report holds, whatever the session holds", () => {
  const files = Array.from({ length: 100_000 }, (_, at) => `src/${at}.ts`);
  const document = new SessionDocument({
    session_id: "a",
    status: "running",
    config: { target_path: "src" },
    processed_files: [],
    pending_files: files,
    partial_results: {} as JsonObject,
    checkpoint_time: "2026-01-02T03:04:05Z",
  });
  const startedAt = performance.now();
  for (const name of files) {
    note(document, { processed: [name], results: { [name]: 1 } });
    // What tools look at for each file costs nothing of the lists.
    if (document.session.config.target_path !== "src") throw new Error("another session");
  }
  // Copying the lists for each report would take minutes.
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  expect(document.session.pending_files).toEqual([]);
  expect(Object.keys(document.session.partial_results)).toHaveLength(files.length);
});

it("keeps a message only if there are results in it", () => {
  const document = new SessionDocument(parsePlainJson(JSON.stringify(stored)) as unknown as Session);
  // What is no JSON could not be read, if it were kept.
  document.apply(
    [encodeReport({ processed: ["a"], added: ["b"] }), encodeReport({ results: {} })],
    "no JSON",
  );
  expect(document.session.partial_results).toEqual({});
  const report = encodeReport({ processed: ["b"], results: { b: 1 } });
  document.apply([report], progressText(1, [report]));
  expect(document.session).toMatchObject({ processed_files: ["a", "b"], partial_results: { b: 1 } });
});

const stored = {
  session_id: "s",
  status: "running",
  config: { target_path: "/src" },
  processed_files: [],
  pending_files: ["a"],
  partial_results: {},
  checkpoint_time: "2026-01-02T03:04:05Z",
};
