/** Bodies of odd shapes within the limits: answered as they should be, and no other client waits for them. */
import { expect, test } from "vitest";
import { foreignSession, putOutside } from "../store/directory/outside.ts";
import { eventually } from "../support/eventually.ts";
import { http, jsonOf } from "../support/http.ts";
import { isLong } from "../support/runs.ts";
import { type MeasuredDaemon, startMeasured } from "../support/stalls.ts";
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

test.each([
  ["the body", () => `{"session_id":"s","config":{"target_path":"/x"},${members(10_000)}}`],
  ["config", () => `{"session_id":"s","config":{"target_path":"/x",${members(10_000)}}}`],
])("more than ten thousand keys in %s are refused", async (_, body) => {
  const { call } = await startServer();
  // A short body is not counted, as it is cheap.
  const filled = body().replace("/x", `/${"x".repeat(300_000)}`);
  const refused = await call("POST", "/v1/sessions", { body: filled, ...json });
  expect([refused.status, jsonOf(refused).detail]).toEqual([
    413,
    "an object has more than 10000 keys; send them in several requests",
  ]);
});

test("a list of more than 500,000 files is refused", async () => {
  const { call } = await startServer({ limits: { bodyBytes: 32 * 1024 * 1024 } });
  const body = `{"session_id":"s","config":{"target_path":"/x"},"pending_files":[${many(500_001, '"f"')}]}`;
  const refused = await call("POST", "/v1/sessions", { body, ...json });
  const detail = "a list has more than 500000 items; send them in several requests";
  expect([refused.status, jsonOf(refused).detail]).toEqual([413, detail]);
});

test("an object with more than 150,000 keys is refused", async () => {
  const { call } = await startServer({ limits: { bodyBytes: 32 * 1024 * 1024 } });
  const body = `{"session_id":"s","config":{"target_path":"/x","o":{${members(150_001)}}}}`;
  const refused = await call("POST", "/v1/sessions", { body, ...json });
  expect([refused.status, jsonOf(refused).detail]).toEqual([
    413,
    "an object has more than 150000 keys; send them in several requests",
  ]);
});

const many = (count: number, item: string) => Array(count).fill(item).join(",");
const members = (count: number) => Array.from({ length: count }, (_, n) => `"k${n}":${n}`).join(",");

/** Each would take hundreds of milliseconds in one go. */
const shapes: Readonly<Record<string, () => string>> = {
  "lists in a list": () => `{"a":[${many(900_000, "[]")}]}`,
  "a list alone": () => `[${many(900_000, "[]")}]`,
  "numbers deep inside": () => `${"[".repeat(40)}${many(700_000, "12345")}${"]".repeat(40)}`,
  "members deep inside": () => `{"a":{"b":{"c":{${members(250_000)}}}}}`,
  "one long string": () => JSON.stringify({ a: "x".repeat(20_000_000) }),
  "one long string of escape sequences": () => `["${"\\u0041".repeat(2_500_000)}"]`,
  "numbers that no double equals": () => `{"a":[${many(250_000, "0.12345678901234567890123")}]}`,
  "long numbers": () => `[${many(20, "1".repeat(1_000_000))}]`,
  "white space": () => `[${" ".repeat(30_000_000)}1${"\n".repeat(30_000_000)}]`,
  "an error at the very end": () => `{"a":[${many(2_500_000, "12345")}]}}`,
  "keys that come again": () => `{"a":{${many(500_000, '"k":1')}}}`,
};

/**
 * In milliseconds of the daemon's processor time: a slice, and what the garbage collector does in it. One
 * measurement may be longer by chance, as others use the machine's caches; work in one go is longer each
 * time.
 */
const mostMs = 100;
const attempts = 3;

async function expectSlices(daemon: MeasuredDaemon, work: () => Promise<unknown>): Promise<void> {
  const stalls: number[] = [];
  do stalls.push(await daemon.longestStall(work));
  while (Math.min(...stalls) >= mostMs && stalls.length < attempts);
  expect(Math.min(...stalls)).toBeLessThan(mostMs);
}

function documentOf(id: string, shape: string): string {
  return `${JSON.stringify(foreignSession(id)).slice(0, -1)},"extra":${shapes[shape]?.()}}`;
}

/** `npm test` tries every third shape; `npm run test:long` tries all. */
const tried = Object.keys(shapes).filter((_, at) => isLong || at % 3 === 0);

test.each(tried)("%s: taken and given out in slices", async (shape) => {
  const daemon = await startMeasured();
  const body = documentOf("s", shape);
  await expectSlices(daemon, () => http(daemon.socket, "PUT", "/v1/sessions/s", { body, ...json }));
  await expectSlices(daemon, () => http(daemon.socket, "GET", "/v1/sessions/s"));
});

test.each(tried)("%s: read in slices from a file of another program", async (shape) => {
  const daemon = await startMeasured();
  let count = 0;
  await expectSlices(daemon, async () => {
    const id = `s${++count}`;
    putOutside(daemon.sessionsDir, `${id}.json`, documentOf(id, shape));
    await eventually(async () => {
      const { status } = await http(daemon.socket, "HEAD", `/v1/sessions/${id}`);
      if (status === 404) throw new Error("not seen yet");
    });
  });
});

const names = (count: number) => Array.from({ length: count }, (_, n) => `"src/file${n}.ts"`).join(",");

/** Each names so many files that all of them in one go would take hundreds of milliseconds. */
const reports: Readonly<Record<string, readonly [string, () => string]>> = {
  "a report of many files": ["progress", () => `{"processed":[${names(500_000)}]}`],
  "a report of many new files": ["progress", () => `{"added":[${names(500_000)}]}`],
  "a report of many results": ["progress", () => `{"results":{${members(150_000)}}}`],
  "a checkpoint of many files": [
    "checkpoint",
    () => `{"processed_files":[${names(500_000)}],"pending_files":[]}`,
  ],
};

const triedReports = Object.keys(reports).filter((_, at) => isLong || at === 0);

test.each(triedReports)("%s: applied in slices, also to a session in memory", async (name) => {
  const daemon = await startMeasured();
  const [command, body] = reports[name] as (typeof reports)[string];
  const text = body();
  let count = 0;
  await expectSlices(daemon, async () => {
    const id = `s${++count}`;
    const post = (path: string, body: string) =>
      http(daemon.socket, "POST", `/v1/sessions${path}`, { body, ...json });
    await post("", `{"session_id":"${id}","config":{"target_path":"/x"}}`);
    await post(`/${id}/progress`, `{"processed":["first"]}`);
    const { status } = await post(`/${id}/${command}`, text);
    expect(status).toBe(200);
  });
});
