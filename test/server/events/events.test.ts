import { once } from "node:events";
import { rename, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SessionId } from "../../../src/session/session-id.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { eventually } from "../../support/eventually.ts";
import { http, jsonOf } from "../../support/http.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { attachWorker } from "../channel/channel-worker.ts";
import { startServer, startServerIn } from "../running-server.ts";
import { type AnyEvent, follow } from "./event-reader.ts";

const kinds = (events: readonly AnyEvent[]) => events.map(({ kind }) => kind);
const documentOf = (id: string, changes: object = {}) =>
  JSON.stringify({
    session_id: id,
    status: "running",
    config: { target_path: "/src" },
    processed_files: [],
    pending_files: ["x"],
    partial_results: {},
    checkpoint_time: "2026-01-02T03:04:05Z",
    ...changes,
  });

/** Each event takes much room in JSON, so that it is soon more than is kept. */
async function failAgainAndAgain(store: SessionStore, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const reason = `${index}`.padEnd(4096, "\u0001");
    await store.apply("a" as SessionId, { type: "transition", verb: "fail", reason });
  }
}

test("a session's life is told in order, and each of our own writes once", async () => {
  const { call, create, socketPath, store } = await startServerIn();
  const reader = await follow(socketPath);
  expect(reader.events).toMatchObject([{ kind: "reset", reason: "start" }]);
  await create("a", ["x", "y"]);
  await call("POST", "/v1/sessions/a/progress", { json: { processed: ["x"], results: { x: 1 } } });
  await reader.until({ kind: "session.progress" });
  await call("POST", "/v1/sessions/a/pause", { json: { reason: "lunch" } });
  await call("PATCH", "/v1/sessions/a", { json: { labels: { team: "a" }, pinned: true } });
  await call("POST", "/v1/sessions/a/resume");
  const json = { processed_files: ["x"], pending_files: ["y"], partial_results: { x: 2 } };
  await call("POST", "/v1/sessions/a/checkpoint", { json });
  await call("DELETE", "/v1/sessions/a");
  await call("POST", "/v1/trash/a/restore");
  await call("DELETE", "/v1/sessions/a?purge=true");
  await reader.until({ kind: "session.deleted", restorable: false });
  // What the watcher finds of our own writes is no news.
  await store.reconcile();
  await create("end");
  await reader.until({ session_id: "end" });

  const session = { session_id: "a", outside: false };
  expect(reader.told()).toEqual(
    [
      { kind: "session.created", ...session, revision: 1, status: "running", pending_count: 2 },
      { kind: "session.progress", ...session, revision: 2, processed_count: 1, coalesced: 1 },
      { kind: "session.status", ...session, from: "running", to: "paused", status_reason: "lunch" },
      { kind: "session.updated", ...session, changed: ["labels", "pinned"], pinned: true, revision: 4 },
      { kind: "session.status", ...session, from: "paused", to: "running", status_reason: null },
      { kind: "session.updated", ...session, changed: ["document"], revision: 6 },
      { kind: "session.deleted", ...session, cause: "removed", restorable: true },
      { kind: "session.created", ...session, revision: 6 },
      { kind: "session.deleted", ...session, cause: "removed", restorable: false },
      { kind: "session.created", session_id: "end" },
    ].map((event) => expect.objectContaining(event)),
  );
  const numbers = reader.events.map(({ id }) => Number(id?.split("-")[1]));
  expect(numbers).toEqual(numbers.map((_, index) => index));
});

test("what other programs do to the files is told as theirs", async () => {
  const { directory, socketPath, call } = await startServerIn();
  const reader = await follow(socketPath);
  const file = join(directory, "a.json");
  const put = async (text: string) => {
    await writeFile(`${file}.tmp`, text);
    await rename(`${file}.tmp`, file);
  };
  await put(documentOf("a"));
  await reader.until({ kind: "session.created", outside: true });
  await put(documentOf("a", { status: "paused", status_reason: "by hand" }));
  await reader.until({ kind: "session.status", to: "paused", outside: true, status_reason: "by hand" });
  await put(documentOf("a", { status: "paused", status_reason: "by hand", partial_results: { x: 1 } }));
  await reader.until({ kind: "session.updated", outside: true, changed: ["document"] });
  await put(documentOf("a", { status: "paused", status_reason: "by hand", pending_files: [] }));
  await reader.until({ kind: "session.progress", outside: true, pending_count: 0 });
  await call("POST", "/v1/sessions/a/resume");
  await reader.until({ kind: "session.status", to: "running", outside: false });
  // Another name is another place for the same session, and half a document is not the end of one.
  await rename(file, join(directory, "b.json"));
  await truncate(join(directory, "b.json"), 20);
  await rm(join(directory, "b.json"));
  await writeFile(file, documentOf("a", { status: "completed" }));
  await reader.until({ kind: "session.status", to: "completed", outside: true });
  expect(kinds(reader.events)).not.toContain("session.deleted");
  await unlink(file);
  await reader.until({ kind: "session.deleted", cause: "gone", outside: true, restorable: false });
  await put(documentOf("a", { pending_files: ["x", "y", "z"] }));
  await reader.until({ kind: "session.created", pending_count: 3, outside: true });
  await writeFile(file, "not JSON");
  await reader.until({ kind: "session.deleted", cause: "unreadable", outside: true });
});

test("who comes back misses nothing, and gets nothing twice", async () => {
  const { call, create, socketPath, store } = await startServer();
  const first = await follow(socketPath);
  await create("a", ["x", "y"]);
  await first.until({ kind: "session.created" });
  const since = first.lastId();
  first.close();
  await call("POST", "/v1/sessions/a/progress", { json: { processed: ["x"] } });
  await call("POST", "/v1/sessions/a/pause");
  await create("b");
  const second = await follow(socketPath, "", { "last-event-id": since });
  await call("POST", "/v1/sessions/b/complete");
  await second.until({ session_id: "b", to: "completed" });
  expect(kinds(second.events)).toEqual([
    "session.progress",
    "session.status",
    "session.created",
    "session.status",
  ]);
  // The header is newer than what a reader once asked for.
  const third = await follow(socketPath, `?since=${since}`, {
    "last-event-id": second.events[2]?.id as string,
  });
  await third.until({ to: "completed" });
  expect(third.events).toEqual(second.events.slice(3));
  const fourth = await follow(socketPath, `?since=${since}`);
  await fourth.until({ session_id: "b", to: "completed" });
  expect(fourth.events).toEqual(second.events);
  // Nor does a reader whose events all come while it is connected and away in turns.
  let [cursor, seen] = [second.lastId(), [] as AnyEvent[]];
  const work = (async () => {
    for (let index = 0; index < 60; index++) await create(`s${index}`);
  })();
  while (seen.length < 60) {
    const reader = await follow(socketPath, "", { "last-event-id": cursor });
    await eventually(() => expect(reader.events.length).toBeGreaterThan(0));
    reader.close();
    seen = [...seen, ...reader.events];
    cursor = reader.lastId();
  }
  await work;
  expect(seen.map(({ session_id }) => session_id)).toEqual(
    Array.from({ length: 60 }, (_, index) => `s${index}`),
  );
  expect((await store.stats()).total).toBe(62);
});

test("a cursor of another run, or of too long ago, is answered with a reset", async () => {
  const { create, socketPath, store } = await startServer();
  const first = await follow(socketPath);
  const since = first.lastId();
  await create("a");
  await failAgainAndAgain(store, 200);
  await first.until({ status_reason: expect.stringMatching(/^199/) });
  const late = await follow(socketPath, `?since=${since}`);
  await late.until({ kind: "reset" });
  expect(late.events).toMatchObject([{ kind: "reset", reason: "too_old", id: first.lastId() }]);
  const ahead = await follow(socketPath, `?since=${since.split("-")[0]}-999999`);
  await ahead.until({ kind: "reset" });
  expect(ahead.events).toMatchObject([{ kind: "reset", reason: "other_run" }]);
});

test("a server that was started anew says so to who comes back", async () => {
  const one = await startServer();
  await one.create("a");
  const reader = await follow(one.socketPath);
  await one.server.close(1000);
  await reader.ended;
  await one.store.close();
  const two = await startServer({ memory: one.store.memory, socketPath: one.socketPath });
  const back = await follow(two.socketPath, "", { "last-event-id": reader.lastId() });
  await back.until({ kind: "reset", reason: "other_run" });
  await two.create("b");
  await back.until({ kind: "session.created", session_id: "b" });
  expect(back.events).toHaveLength(2);
});

test("only what is asked for is sent, and a reader that it passes by can still come back", async () => {
  const { call, create, socketPath } = await startServer();
  const some = await follow(socketPath, "?session=a&session=c&kind=session.status&kind=session.deleted");
  const all = await follow(socketPath);
  for (const id of ["a", "b", "c"]) {
    await create(id);
    await call("POST", `/v1/sessions/${id}/pause`);
    await call("DELETE", `/v1/sessions/${id}`);
  }
  await some.until({ session_id: "c", kind: "session.deleted" });
  await all.until({ session_id: "c", kind: "session.deleted" });
  const wanted = all.events.filter(
    ({ kind, session_id }) => session_id !== "b" && ["session.status", "session.deleted"].includes(kind),
  );
  expect(some.events.slice(1)).toEqual(wanted);
});

test.each([
  ["?kind=session.moved", "kind[0]"],
  ["?session=", "session[0]"],
  ["?since=yesterday", "since"],
  ["?label=a", "label"],
])("%s is refused", async (query, path) => {
  const { call } = await startServer();
  const reply = await call("GET", `/v1/events${query}`);
  expect([reply.status, jsonOf(reply)]).toMatchObject([400, { code: "invalid_request", issues: [{ path }] }]);
});

test("other methods and cursors that are none are refused", async () => {
  const { call } = await startServer();
  for (const method of ["HEAD", "POST", "DELETE"]) {
    const reply = await call(method, "/v1/events");
    expect([method, reply.status, reply.headers.allow]).toEqual([method, 405, "GET"]);
  }
  const reply = await call("GET", "/v1/events", { headers: { "last-event-id": "x\ty" } });
  expect([reply.status, jsonOf(reply).code]).toEqual([400, "invalid_request"]);
});

test("reports make few events, and none while nobody follows", async () => {
  const { store, create, socketPath } = await startServer();
  const files = Array.from({ length: 4000 }, (_, index) => `f${index}`);
  await create("a", files);
  let computed = 0;
  const stop = store.changes.subscribe(({ origin }) => {
    if (origin === "report") computed++;
  });
  const report = (from: number, to: number) =>
    Promise.all(files.slice(from, to).map((file) => store.report("a" as SessionId, { processed: [file] })));
  await report(0, 1000);
  expect(computed).toBe(0);
  stop();
  const reader = await follow(socketPath);
  const started = performance.now();
  for (let from = 1000; from < 4000; from += 100) await report(from, from + 100);
  await reader.until({ kind: "session.progress", processed_count: 4000, pending_count: 0 });
  const most = 3 + (performance.now() - started) / 250;
  const told = reader.events.slice(1);
  expect(told.length).toBeLessThanOrEqual(most);
  expect(told.reduce((sum, { coalesced }) => sum + (coalesced as number), 0)).toBe(3000);
  // So it is with reports that change nothing but results, whoever looks meanwhile.
  for (let count = 0; count < 20; count++) {
    await store.report("a" as SessionId, { results: { found: count } });
    await store.summary("a" as SessionId);
  }
  const { revision } = await store.summary("a" as SessionId);
  await reader.until({ kind: "session.progress", revision, processed_count: 4000 });
  expect(kinds(reader.events)).not.toContain("session.updated");
});

test("a slow reader is told that it was too slow, and finds out what it missed", async () => {
  const { create, socketPath, store } = await startServer();
  await create("a");
  const slow = await follow(socketPath, "", {}, "later");
  const quick = await follow(socketPath);
  await failAgainAndAgain(store, 300);
  await quick.until({ status_reason: expect.stringMatching(/^299/) });
  slow.read();
  await slow.ended;
  expect(slow.events.at(-1)).toMatchObject({
    kind: "dropped",
    detail: expect.stringContaining("reconnect with Last-Event-ID"),
  });
  const lastId = slow.events.at(-2)?.id as string;
  expect(slow.events.slice(1, -1)).toEqual(quick.events.slice(1, slow.events.length - 1));
  const back = await follow(socketPath, "", { "last-event-id": lastId });
  await back.until({ kind: "reset", reason: "too_old" });
});

test("many can follow, and one more than that is refused", async () => {
  const { call, create, socketPath } = await startServer();
  const readers = await Promise.all(Array.from({ length: 256 }, () => follow(socketPath)));
  const refused = await call("GET", "/v1/events");
  expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "10"]);
  expect(jsonOf(refused)).toMatchObject({ detail: expect.stringContaining("256 readers") });
  await create("a");
  await Promise.all(readers.map((reader) => reader.until({ kind: "session.created", session_id: "a" })));
  for (const reader of readers.slice(0, 200)) reader.close();
  // Those that do not wait for an answer take no place either.
  for (let index = 0; index < 300; index++) {
    const socket = connect(socketPath);
    socket.end("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n", () => socket.destroy());
    await once(socket, "close");
  }
  await eventually(async () => (await follow(socketPath)).close());
});

test("a stream outlasts the time that a request may take, and the socket for reading has it too", async () => {
  const readOnlyPath = join(await tempDir(), "read.sock");
  const { create, store } = await startServer({ readOnlyPath, limits: { requestTimeoutMs: 300 } });
  const reader = await follow(readOnlyPath);
  const started = performance.now();
  await eventually(() => expect(performance.now() - started).toBeGreaterThan(1500));
  await create("a");
  await reader.until({ kind: "session.created" });
  expect((await store.stats()).total).toBe(1);
});

test("a server that stops ends its streams after what happened last, whether or not they are read", async () => {
  const { create, call, server, store, socketPath } = await startServer();
  const reader = await follow(socketPath);
  await create("a", ["x"]);
  const stuck = await follow(socketPath, "", {}, "later");
  await failAgainAndAgain(store, 40);
  await call("POST", "/v1/sessions/a/progress", { json: { processed: ["x"] } });
  // Longer than a test may take.
  await server.close(3_600_000);
  await reader.ended;
  expect(reader.events.at(-1)).toMatchObject({ kind: "session.progress", processed_count: 1 });
  stuck.close();
  await expect(http(socketPath, "GET", "/v1/events")).rejects.toMatchObject({ code: "ENOENT" });
});

test("workers that come, leave and are lost are told of", async () => {
  const { create, socketPath } = await startServer({ worker: { reattachGraceMs: 50 } });
  await create("a");
  const reader = await follow(socketPath, "?session=a");
  const first = await attachWorker(socketPath, "a", { worker: "laptop" });
  first.send({ type: "detach" });
  await first.closed;
  const second = await attachWorker(socketPath, "a");
  second.socket.destroy();
  await reader.until({ kind: "worker.lost", gone: true });
  expect(reader.events.slice(1)).toMatchObject([
    { kind: "worker.attached", session_id: "a", worker: "laptop", epoch: first.epoch, status: "running" },
    { kind: "worker.detached", worker: "laptop", epoch: first.epoch },
    { kind: "worker.attached", worker: null, epoch: second.epoch },
    { kind: "worker.lost", epoch: second.epoch, gone: false },
    { kind: "session.status", from: "running", to: "paused" },
    { kind: "worker.lost", epoch: second.epoch, gone: true, status: "paused" },
  ]);
});
