/** Which session ids are valid, and the file names that are made of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  generateSessionId,
  parseSessionId,
  safeName,
  sessionIdProblem,
} from "../../src/session/session-id.ts";
import { sessionId } from "../support/arbitraries.ts";

test.each([
  ["", /empty/],
  ["x".repeat(129), /128 characters; this one has 129/],
  ["a\nb", /control/],
  ["a\u0000", /control/],
  ["\ud800", /surrogate/],
  ["語".repeat(70), /200 bytes/],
  [42, /string/],
  [undefined, /string/],
])("%j is refused", (id, message) => {
  expect(sessionIdProblem(id)).toMatch(message);
  expect(() => parseSessionId(id)).toThrow(expect.objectContaining({ code: "invalid_session_id" }));
});

test("names are plain, and of different ids different", () => {
  fc.assert(
    fc.property(sessionId, sessionId, (a, b) => {
      expect(safeName(a)).toMatch(/^[\p{L}\p{N}_-]+$/u);
      expect(Buffer.byteLength(safeName(a))).toBeLessThanOrEqual(200);
      if (a !== b) expect(safeName(a)).not.toBe(safeName(b));
    }),
    { numRuns: 2000 },
  );
});

test("an id of letters, digits, - and _ is its own name", () => {
  expect(safeName("nightly_2026-01-02")).toBe("nightly_2026-01-02");
  expect(safeName("сессия")).toBe("сессия");
  expect(safeName("a/b")).toBe("ab-c14cddc0");
  expect(sessionIdProblem(generateSessionId())).toBeUndefined();
});
