/** Stopping a daemon over its API: only one on demand, and not under a worker unless that is wanted. */
import { expect, test } from "vitest";
import { jsonOf } from "../support/http.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { startServer } from "./running-server.ts";

async function startOnDemand() {
  let stops = 0;
  const onDemand = { idleExitMs: 600_000, stop: () => void stops++ };
  return { ...(await startServer({ daemon: { onDemand } })), stops: () => stops };
}

test("a daemon on demand says so, and stops when it is asked to", async () => {
  const { call, stops } = await startOnDemand();
  expect(jsonOf(await call("GET", "/v1/info")).on_demand).toEqual({ idle_exit_ms: 600_000 });
  const reply = await call("POST", "/v1/stop");
  expect([reply.status, jsonOf(reply)]).toEqual([200, { pid: process.pid, ends: [] }]);
  expect(stops()).toBe(1);
});

test("any other daemon does not, and says where it is stopped", async () => {
  const { call } = await startServer();
  expect(jsonOf(await call("GET", "/v1/info")).on_demand).toBeNull();
  const reply = await call("POST", "/v1/stop", { json: { force: true } });
  expect([reply.status, jsonOf(reply).code]).toEqual([400, "invalid_request"]);
  expect(reply.text).toContain("stopped where it was started: with systemctl, or with Ctrl-C");
});

test("attached workers are in the way, and are named; with force they are not", async () => {
  const { call, create, socketPath, stops } = await startOnDemand();
  for (const id of ["a", "b", "c"]) await create(id);
  const workers = [await attachWorker(socketPath, "a"), await attachWorker(socketPath, "c")];
  const refused = await call("POST", "/v1/stop", { json: { force: false } });
  expect([refused.status, jsonOf(refused).code]).toEqual([409, "lease_held"]);
  expect(jsonOf(refused).detail).toBe('workers are attached to "a", "c"; a stop would end their work');
  expect(stops()).toBe(0);
  const reply = await call("POST", "/v1/stop", { json: { force: true } });
  expect(jsonOf(reply).ends).toEqual(["a", "c"]);
  expect(stops()).toBe(1);
  for (const { socket } of workers) socket.destroy();
});
