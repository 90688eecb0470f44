/** Bodies of odd shapes within the limits: answered as they should be, and no other client waits for them. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseJsonInSlices } from "../../src/json/parse-in-slices.ts";
import { stringifyJsonInSlices } from "../../src/json/write-in-slices.ts";
import { encodeSession, partsOf } from "../../src/store/directory/disk/encode-session.ts";
import { foreignSession } from "../store/directory/outside.ts";
import { jsonOf } from "../support/http.ts";
import { startServer } from "./running-server.ts";

const json = { headers: { "content-type": "application/json" } };

test("a body with more values than limits.values is refused, however small it is", async () => {
  const { call } = await startServer({ limits: { values: 200_000 } });
  const body = (lists: number) =>
    `{"session_id":"s","config":{"target_path":"/x","lists":[${Array(lists).fill("[]").join(",")}]}}`;
  const refused = await call("POST", "/v1/sessions", { body: body(200_000), ...json });
  expect([refused.status, jsonOf(refused).code]).toEqual([413, "payload_too_large"]);
  expect(jsonOf(refused).detail).toMatch(/more than 200000 values.*limits\.values/);
  // The object, its two members, the path, and the lists in their list.
  const taken = await call("POST", "/v1/sessions", { body: body(200_000 - 5), ...json });
  expect(taken.status).toBe(201);
});

test("an object with more than a million keys is refused", async () => {
  const { call } = await startServer({ limits: { bodyBytes: 32 * 1024 * 1024 } });
  const body = `{"session_id":"s","config":{"target_path":"/x","o":{${members(1_000_001)}}}}`;
  const refused = await call("POST", "/v1/sessions", { body, ...json });
  expect([refused.status, jsonOf(refused).detail]).toEqual([413, "an object has more than 1000000 keys"]);
});

const many = (count: number, item: string) => Array(count).fill(item).join(",");
const members = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":${n}`).join(",");

/** Each would take hundreds of milliseconds in one go. */
const shapes: Readonly<Record<string, () => string>> = {
  "lists in a list": () => `{"a":[${many(1_500_000, "[]")}]}`,
  "a list alone": () => `[${many(1_500_000, "[]")}]`,
  "numbers deep inside": () => `${"[".repeat(40)}${many(2_000_000, "12345")}${"]".repeat(40)}`,
  "members deep inside": () => `{"a":{"b":{"c":{${members(250_000)}}}}}`,
  "one long string": () => JSON.stringify({ a: "x".repeat(20_000_000) }),
  "one long string of escape sequences": () => `["${"\\u0041".repeat(2_500_000)}"]`,
  "numbers that no double equals": () => `{"a":[${many(400_000, "0.12345678901234567890123")}]}`,
  "long numbers": () => `[${many(20, "1".repeat(1_000_000))}]`,
  "white space": () => `[${" ".repeat(30_000_000)}1${"\n".repeat(30_000_000)}]`,
  "an error at the very end": () => `{"a":[${many(4_000_000, "12345")}]}}`,
  "keys that come again": () => `{"a":{${many(500_000, '"k":1')}}}`,
};

/**
 * The longest time for which nobody else was served, in milliseconds of this thread's processor time: a busy
 * machine does not count.
 */
async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = processorMs();
  const look = () => {
    const now = processorMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  look();
  return longest;
}

function processorMs(): number {
  return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;
}

/** A slice, what the garbage collector does in it, and joining the pieces. */
const mostMs = 100;

test.each(Object.keys(shapes))("%s: read in slices", async (name) => {
  const bytes = Buffer.from(shapes[name]?.() ?? "");
  const stall = await longestStall(() => parseJsonInSlices(bytes, 64).catch(() => undefined));
  expect(stall).toBeLessThan(mostMs);
});

test.each(Object.keys(shapes))("%s: written in slices, on one line and as a session", async (name) => {
  const bytes = Buffer.from(shapes[name]?.() ?? "");
  const value = await parseJsonInSlices(bytes, 64).catch(() => undefined);
  if (value === undefined) return;
  expect(await longestStall(() => stringifyJsonInSlices(value, 64))).toBeLessThan(mostMs);
  const parts = partsOf({ ...foreignSession("s"), extra: value, partial_results: { r: value } });
  expect(await longestStall(() => encodeSession(parts).catch(() => undefined))).toBeLessThan(mostMs);
});
