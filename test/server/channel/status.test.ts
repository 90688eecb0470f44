import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Session } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { type RunningServer, startServer, startServerIn } from "../running-server.ts";
import { attachWorker, type TestWorker } from "./channel-worker.ts";

const id = parseSessionId("s");

interface Attached extends RunningServer {
  worker: TestWorker;
  /** As another program replaces the document. */
  replace(changes: Partial<Session>): Promise<void>;
}

async function attached(): Promise<Attached> {
  const server = await startServer();
  await server.create("s", ["a", "b", "c"]);
  const worker = await attachWorker(server.socketPath, "s");
  const replace: Attached["replace"] = async (changes) => {
    server.store.putOutside({ ...(await server.store.read(id)).session, ...changes });
  };
  return { ...server, worker, replace };
}

test("whatever anybody makes of the status is told, once each, and what is under way still counts", async () => {
  const { worker, call } = await attached();
  await call("POST", "/v1/sessions/s/pause", { json: { reason: "lunch" } });
  await eventually(() =>
    expect(worker.messages).toEqual([{ type: "status", status: "paused", reason: "lunch" }]),
  );
  expect(await worker.report(1, { processed: ["a"] })).toMatchObject({ type: "ack" });
  await call("PATCH", "/v1/sessions/s", { json: { labels: { a: "b" } } });
  for (const verb of ["resume", "complete", "reopen", "fail"]) await call("POST", `/v1/sessions/s/${verb}`);
  await eventually(() => {
    const told = worker.messages.flatMap((message) => (message.type === "status" ? [message.status] : []));
    expect(told).toEqual(["paused", "running", "completed", "running", "failed"]);
  });
  expect(await worker.report(2, { processed: ["b"] })).toMatchObject({ type: "ack" });
});

test("a worker of a session that is not running is told so at once, after the document", async () => {
  const { call, socketPath, create } = await startServer();
  await create("p");
  await call("POST", "/v1/sessions/p/pause", { json: { reason: "not yet" } });
  const worker = await attachWorker(socketPath, "p");
  expect(worker.session).toMatchObject({ status: "paused", status_reason: "not yet" });
  expect(await worker.message("status")).toEqual({ type: "status", status: "paused", reason: "not yet" });
  await call("POST", "/v1/sessions/p/resume");
  await eventually(() =>
    expect(worker.messages.at(-1)).toEqual({ type: "status", status: "running", reason: null }),
  );
});

test("what another program makes of the session is told as well", async () => {
  const { worker, replace } = await attached();
  await worker.report(1, { processed: ["a"] });
  await replace({ status: "paused", status_reason: "from outside" });
  expect(await worker.message("status")).toEqual({
    type: "status",
    status: "paused",
    reason: "from outside",
  });
  expect(await worker.report(2, { processed: ["b"] })).toMatchObject({ type: "ack" });
});

test("a session that is deleted ends its worker, which is told why", async () => {
  const { worker, call, store } = await attached();
  expect((await call("DELETE", "/v1/sessions/s")).status).toBe(409);
  expect((await call("DELETE", "/v1/sessions/s?force=true&purge=true")).status).toBe(200);
  expect(await worker.closed).toMatchObject({ code: "session_deleted" });
  expect(worker.messages).toEqual([{ type: "status", status: "deleted", reason: null }]);
  expect(await store.leases.all()).toEqual([]);
});

test("a session that another program takes away is deleted, and its lease ends", async () => {
  const { worker, store, create, socketPath } = await attached();
  store.removeOutside(id);
  expect(await worker.closed).toMatchObject({ code: "session_deleted" });
  expect(worker.messages).toEqual([{ type: "status", status: "deleted", reason: null }]);
  await eventually(async () => expect(await store.leases.all()).toEqual([]));
  await create("s");
  expect((await attachWorker(socketPath, "s")).session.pending_files).toEqual([]);
});

test("a file that is renamed, or away for a moment, or unreadable for long, is no deletion", async () => {
  const { directory, call, create, socketPath } = await startServerIn();
  await create("s", ["a", "b", "c"]);
  const worker = await attachWorker(socketPath, "s");
  const file = join(directory, "s.json");
  const other = join(directory, "other-name.json");
  await rename(file, other);
  let seq = 0;
  // A report of the moment in which nobody knows where the session is may be refused; none is lost silently.
  await eventually(async () =>
    expect(await worker.report(++seq, { processed: ["a"] })).toMatchObject({ type: "ack" }),
  );

  await call("POST", "/v1/sessions/s/pause");
  await call("POST", "/v1/sessions/s/resume");
  const whole = await readFile(other);
  await writeFile(other, whole.subarray(0, 100));
  await eventually(async () => expect((await call("GET", "/v1/sessions/s")).status).toBe(422));
  expect(await worker.report(++seq, { processed: ["b"] })).toMatchObject({
    type: "error",
    code: "session_corrupt",
  });
  // A worker whose session is gone since later than that has been told by the time this one would have been.
  await create("gone");
  const told = await attachWorker(socketPath, "gone");
  await unlink(join(directory, "gone.json"));
  expect(await told.closed).toMatchObject({ code: "session_deleted" });
  expect(worker.isOpen).toBe(true);
  await writeFile(other, whole);
  await eventually(async () => expect((await call("GET", "/v1/sessions/s")).status).toBe(200));
  expect(await worker.report(++seq, { processed: ["b"] })).toMatchObject({ type: "ack" });
  expect(jsonOf(await call("GET", "/v1/sessions/s"))).toMatchObject({ processed_files: ["a", "b"] });
  expect(worker.messages.filter(({ type }) => type === "status")).toEqual([
    { type: "status", status: "paused", reason: null },
    { type: "status", status: "running", reason: null },
  ]);
});

test("another session in its place ends the worker, which is none of that one", async () => {
  const { worker, replace, store, socketPath } = await attached();
  await replace({ generation: "another", pending_files: ["x"] });
  expect(await worker.closed).toEqual({
    type: "closing",
    code: "lease_lost",
    detail: expect.stringContaining("another one created with the same id"),
  });
  expect(worker.messages).toEqual([]);
  await eventually(async () => expect(await store.leases.all()).toEqual([]));
  expect((await attachWorker(socketPath, "s")).session.pending_files).toEqual(["x"]);
});

test("a lost worker may not come back to another session of the same id", async () => {
  const { worker, replace, store, socketPath, call } = await attached();
  worker.socket.destroy();
  await eventually(async () =>
    expect(jsonOf(await call("GET", "/v1/sessions/s/summary")).workers).toMatchObject([{ connected: false }]),
  );
  await replace({ generation: "another" });
  expect((await store.summary(id)).generation).toBe("another");
  await expect(attachWorker(socketPath, "s", { token: worker.token })).rejects.toMatchObject({
    body: { code: "lease_lost" },
  });
});
