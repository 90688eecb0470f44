/** What is said of a change that the store refuses, or of which it cannot tell whether it was made. */
import { expect, test } from "vitest";
import { SessiondError } from "../../src/error.ts";
import { jsonOf } from "../support/http.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { startServer } from "./running-server.ts";

const full = new SessiondError("storage_full", "the disk is full");
const unsure = new SessiondError("storage_failed", "the disk does not answer", { outcome: "unknown" });

test("a change that was refused was not made, and may be tried again", async () => {
  const { call, create, store } = await startServer();
  await create("s", ["a"]);
  store.faults.fail("report", full);
  const refused = await call("POST", "/v1/sessions/s/progress", { json: { processed: ["a"] } });
  expect([refused.status, jsonOf(refused).code]).toEqual([507, "storage_full"]);
  expect(Object.keys(jsonOf(refused))).not.toContain("outcome");
  expect(jsonOf(await call("GET", "/v1/sessions/s"))).toMatchObject({ pending_files: ["a"], revision: 1 });
  store.faults.before("report");
  expect((await call("POST", "/v1/sessions/s/progress", { json: { processed: ["a"] } })).status).toBe(200);
});

test("a change that may have been made says so", async () => {
  const { call, create, store } = await startServer();
  await create("s");
  store.faults.after("apply", () => {
    throw unsure;
  });
  const reply = await call("POST", "/v1/sessions/s/pause");
  expect([reply.status, jsonOf(reply)]).toMatchObject([503, { code: "storage_failed", outcome: "unknown" }]);
  expect(jsonOf(await call("GET", "/v1/sessions/s")).status).toBe("paused");
});

test("a worker is told of its report in the same way", async () => {
  const { create, store, socketPath } = await startServer();
  await create("s", ["a", "b"]);
  const worker = await attachWorker(socketPath, "s");
  store.faults.fail("report", full);
  const refused = await worker.report(1, { processed: ["a"] });
  expect(refused).toMatchObject({ type: "error", seq: 1, code: "storage_full" });
  expect(Object.keys(refused)).not.toContain("outcome");
  store.faults.before("report");
  store.faults.after("report", () => {
    throw unsure;
  });
  expect(await worker.report(2, { processed: ["b"] })).toMatchObject({
    ...{ type: "error", seq: 2, code: "storage_failed", outcome: "unknown" },
  });
  expect((await store.read("s" as never)).session.processed_files).toEqual(["b"]);
});
