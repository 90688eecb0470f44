/** The fast check of a document accepts what its schema accepts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber, isJsonObject } from "../../src/json/exact-json.ts";
import { newSession, sessionSchema } from "../../src/session/session.ts";
import { isSession } from "../../src/session/session-check.ts";

const good = newSession(
  { session_id: "s", config: { target_path: "/x" }, pending_files: ["a"], labels: { team: "a" } },
  "generation",
  "2026-01-02T03:04:05.123456Z",
);

const odd = fc.oneof(
  fc.constantFrom(undefined, null, true, -0, -1, 0, 1.5, 2 ** 53, 1n, "", " ", "x", [], {}, new Map()),
  fc.constantFrom(["a", 1], [undefined], { a: 1 }, { a: "b" }, "a\nb", "paused", "deep"),
  fc.constantFrom("2026-02-30T00:00:00Z", "2026-02-03T00:00:00+01:00"),
  fc.anything(),
);

/** A document that is good except for what was put in the place of a few members. */
const document = fc
  .record({
    at: fc.array(fc.constantFrom(...Object.keys(good), "pinned", "status_reason", "run", "other"), {
      maxLength: 2,
    }),
    inConfig: fc.option(fc.constantFrom(...Object.keys(good.config), "other"), { nil: undefined }),
    values: fc.array(odd, { minLength: 3, maxLength: 3 }),
    mayLackThem: fc.boolean(),
  })
  .map(({ at, inConfig, values, mayLackThem }) => {
    const altered: Record<string, unknown> = { ...good };
    if (inConfig !== undefined) altered.config = { ...good.config, [inConfig]: values[2] };
    for (const [index, key] of at.entries()) {
      if (mayLackThem) delete altered[key];
      else altered[key] = values[index];
    }
    return altered;
  });

test("a plain object is a good document if it is one to the schema", () => {
  const kinds = new Set<boolean>();
  fc.assert(
    fc.property(fc.oneof(document, odd), (value) => {
      const isGood = isJsonObject(value) && sessionSchema.safeParse(value).success;
      expect(isSession(value)).toBe(isGood);
      kinds.add(isGood);
    }),
    { numRuns: 2000 },
  );
  expect(kinds.size).toBe(2);
});

test("a revision such as 5.0 is left to the schema", () => {
  const value = { ...good, revision: new ExactNumber("5.0") };
  expect(isSession(value)).toBe(false);
  expect(sessionSchema.safeParse(value).success).toBe(true);
});
