/** Tests what the output of a command tells of when to try again. */
import { expect, test } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { retryAfterMs } from "../../src/runner/retry-after.ts";

const now = Date.UTC(2026, 10, 29, 12, 0, 0);

test.each([
  ["Retry-After: 30", 30_000],
  ["retry-after:30", 30_000],
  ["< Retry-After: 30\r\n< Date: x\r\n", 30_000],
  ["<retry-after: 1.5", 1500],
  ['> GET /\n< HTTP/2 429\n< retry-after: 7\n{ "error": 1 }', 7000],
  ["Retry-After: 1\nRetry-After: 20\nRetry-After: 3", 20_000],
  ["Retry-After: 0", 0],
  ["Retry-After: Sun, 29 Nov 2026 12:01:00 GMT", 60_000],
  ["Retry-After: Sunday, 29-Nov-26 12:01:00 GMT", 60_000],
  ["Retry-After: Sun Nov 29 12:01:00 2026", 60_000],
  ["Retry-After: 2026-11-29T13:01:00+01:00", 60_000],
  ["Retry-After: Sun, 29 Nov 2026 11:00:00 GMT", 0],
  ["Retry-After: soon", undefined],
  ["Retry-After: -5", undefined],
  ["Retry-After: 5 minutes", undefined],
  ["Retry-After:", undefined],
  ["Retry-After: Sun, 99 Nov 2026 12:01:00 GMT", undefined],
  ["the field Retry-After: 30 was sent", undefined],
  ["X-Retry-After: 30", undefined],
  ["", undefined],
])("stderr %j", (stderr, expected) => {
  expect(retryAfterMs({ stdout: "", stderr }, now)).toBe(expected);
});

test.each([
  ['{"retry_after": 12}', 12_000],
  ['{"retry_after": 12.25}', 12_250],
  ['{"retry_after": 1.0}', 1000],
  ['{"retry_after": "12"}', 12_000],
  ['{"retry_after": "2026-11-29T12:00:05Z"}', 5000],
  ['{"retry_after": null}', undefined],
  ['{"retry_after": {"a": 1}}', undefined],
  ['{"error": {"retry_after": 12}}', undefined],
  ["[12]", undefined],
])("stdout %s", (stdout, expected) => {
  expect(retryAfterMs({ stdout: parseJson(stdout), stderr: "" }, now)).toBe(expected);
});

test("the later of both counts", () => {
  const output = { stdout: { retry_after: 5 }, stderr: "Retry-After: 9" };
  expect(retryAfterMs(output, now)).toBe(9000);
});
