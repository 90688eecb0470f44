import fc from "fast-check";
import { expect, test } from "vitest";
import { workerMessageSchema } from "../../src/contract/channel.ts";
import { isProgressDelta, isProgressMessage } from "../../src/contract/report-check.ts";
import { routes } from "../../src/contract/routes.ts";
import { isJsonObject } from "../../src/json/exact-json.ts";

const odd = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    [],
    {},
    [undefined],
    ["a"],
    ["a", 1],
    new Map(),
    0,
    1,
    1.5,
    2 ** 53,
    "1",
    1n,
  ),
  fc.anything(),
);
const list = fc.oneof(fc.array(fc.string(), { maxLength: 3 }), odd);
const results = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), odd);
const keys = { processed: list, added: list, results };
const partly = { requiredKeys: [] };
const delta = fc.oneof(fc.record(keys, partly), fc.record({ ...keys, other: odd }, partly), odd);
const head = { type: fc.oneof(fc.constant("progress"), odd), seq: fc.oneof(fc.nat(), odd) };
const message = fc.oneof(
  fc.record({ ...head, ...keys }, partly),
  fc.record({ ...head, ...keys, other: odd }, partly),
);

test("a plain object is a good delta if it is one to the schema", () => {
  const schema = routes.reportProgress.body?.schema;
  fc.assert(
    fc.property(delta, (value) => {
      expect(isProgressDelta(value)).toBe(isJsonObject(value) && schema?.safeParse(value).success);
    }),
    { numRuns: 2000 },
  );
});

test("a plain object is a good message if it is one to the schema", () => {
  fc.assert(
    fc.property(fc.oneof(message, delta), (value) => {
      fc.pre((value as { type?: unknown } | null)?.type !== "detach");
      expect(isProgressMessage(value)).toBe(
        isJsonObject(value) && workerMessageSchema.safeParse(value).success,
      );
    }),
    { numRuns: 2000 },
  );
});

test("both kinds of answers were tried", () => {
  const values = fc.sample(fc.oneof(message, delta), 2000);
  expect(values.some(isProgressDelta) && values.some(isProgressMessage)).toBe(true);
  expect(values.every(isProgressDelta) || values.every(isProgressMessage)).toBe(false);
});
