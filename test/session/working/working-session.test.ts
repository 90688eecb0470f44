/** A session in memory means the same as its document, also while it is read in slices. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringifyJson } from "../../../src/json/exact-json.ts";
import { applyCommand, type ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import { WorkingSession } from "../../../src/session/working/working-session.ts";
import { decodeSession, maxStoredDepth } from "../../../src/store/document/decode-session.ts";
import { encodeSession } from "../../../src/store/document/encode-session.ts";
import { formatTimestamp } from "../../../src/time/clock.ts";
import { anyString, jsonObject, session } from "../../support/arbitraries.ts";

const files = fc.array(fc.oneof(fc.constantFrom("a", "b", "c", "d"), anyString), { maxLength: 6 });
const delta: fc.Arbitrary<ProgressDelta> = fc.record(
  { processed: files, added: files, results: jsonObject },
  { requiredKeys: [] },
);

test("reports mean in memory what they mean to the document", async () => {
  await fc.assert(
    fc.asyncProperty(session, fc.array(delta, { maxLength: 6 }), async (any, deltas) => {
      const live = new WorkingSession(any);
      let expected = any;
      for (const [index, change] of deltas.entries()) {
        const time = index * 1000;
        expected = {
          ...applyCommand(expected, { type: "progress", delta: change }, formatTimestamp(time)),
          revision: index + 5,
        };
        live.report(change, index + 5, time);
      }
      expect(await live.toSession()).toEqual(expected);
      expect([live.processedCount, live.pendingCount]).toEqual([
        expected.processed_files.length,
        expected.pending_files.length,
      ]);
    }),
    { numRuns: 500 },
  );
});

test("a report prepared in slices means the same, and shows nothing before it is applied", async () => {
  await fc.assert(
    fc.asyncProperty(session, delta, delta, async (any, first, second) => {
      const [live, plain] = [new WorkingSession(any), new WorkingSession(any)];
      for (const one of [live, plain]) one.report(first, 5, 1000);
      const before = await live.toSession();
      const prepared = await live.prepare(second);
      expect(await live.toSession()).toEqual(before);
      live.report(second, 6, 2000, prepared);
      plain.report(second, 6, 2000);
      expect(await live.toSession()).toEqual(await plain.toSession());
    }),
    { numRuns: 300 },
  );
});

test("a report prepared for a document that was replaced meanwhile is applied to the new one", async () => {
  await fc.assert(
    fc.asyncProperty(session, session, delta, async (any, other, change) => {
      const [live, plain] = [new WorkingSession(any), new WorkingSession(other)];
      const prepared = live.prepare(change);
      live.replace(other);
      live.report(change, 5, 1000, await prepared);
      plain.report(change, 5, 1000);
      expect(await live.toSession()).toEqual(await plain.toSession());
    }),
    { numRuns: 200 },
  );
});

test("a document prepared in slices replaces another as it would in one go", async () => {
  await fc.assert(
    fc.asyncProperty(
      session,
      delta,
      fc.constantFrom("lists", "results", "nothing"),
      async (any, change, what) => {
        const before = await new WorkingSession(any).toSession();
        const { processed_files, pending_files, partial_results } = applyCommand(
          before,
          { type: "progress", delta: change },
          formatTimestamp(0),
        );
        const next = {
          ...before,
          ...(what === "lists" && { processed_files, pending_files }),
          ...(what === "results" && { partial_results }),
        };
        const [live, plain] = [new WorkingSession(before), new WorkingSession(before)];
        live.replace(next, before, await WorkingSession.prepareDocument(next, before));
        plain.replace(next);
        expect(await live.toSession()).toEqual(await plain.toSession());
      },
    ),
    { numRuns: 200 },
  );
});

test("what is gone through in slices is the session as it was when that began, whatever is reported meanwhile", async () => {
  await fc.assert(
    fc.asyncProperty(session, fc.array(delta, { maxLength: 6 }), async (any, deltas) => {
      const live = new WorkingSession(any);
      const before = structuredClone(await live.toSession());
      const slow = live.withSnapshot(async ({ processed, pending, results }) => {
        const seen: [string, unknown][] = [];
        for (const entry of results) {
          seen.push([...entry]);
          await undefined;
        }
        return [[...processed], [...pending], seen];
      });
      for (const [index, change] of deltas.entries()) {
        live.report(change, index + 5, index * 1000);
        await undefined;
      }
      live.replace({ ...any, partial_results: { replaced: true } });
      expect(await slow).toEqual([
        before.processed_files,
        before.pending_files,
        Object.entries(before.partial_results),
      ]);
    }),
    { numRuns: 500 },
  );
});

test("a session written in pieces is the same to the byte", async () => {
  await fc.assert(
    fc.asyncProperty(session, async (any) => {
      const bytes = await new WorkingSession(any).withSnapshot(encodeSession);
      // Only the order of keys that look like numbers is the engine's own in a whole object.
      expect(decodeSession(bytes)).toEqual(decodeSession(whole(any)));
      if (!Object.keys(any.partial_results).some((key) => /^\d+$/.test(key)))
        expect(bytes.toString()).toBe(whole(any).toString());
    }),
    { numRuns: 300 },
  );
});

function whole(session: Session): Buffer {
  return Buffer.from(`${stringifyJson(session, { indent: 2, maxDepth: maxStoredDepth })}\n`);
}
