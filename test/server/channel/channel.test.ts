import { expect, test } from "vitest";
import { ExactNumber } from "../../../src/json/exact-json.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { startServer } from "../running-server.ts";
import { askToAttach, attachWorker, type Refused, upgradeHeaders } from "./channel-worker.ts";

test("a worker attaches, reports, is acked when it is durable, and detaches", async () => {
  const { socketPath, create, call, store } = await startServer();
  await create("s", ["a", "b", "c"]);
  const worker = await attachWorker(socketPath, "s", { worker: "w1" });
  expect(worker.session).toMatchObject({
    session_id: "s",
    status: "running",
    pending_files: ["a", "b", "c"],
  });
  const summary = jsonOf(await call("GET", "/v1/sessions/s/summary"));
  expect(summary.workers).toMatchObject([{ name: "w1", epoch: worker.epoch, connected: true }]);
  expect(jsonOf(await call("GET", "/v1/info")).workers).toBe(1);

  const delta = { processed: ["a"], results: { a: { score: 1 } }, added: ["d"] };
  expect(await worker.report(1, delta)).toEqual({ type: "ack", seq: 1, revision: 2 });
  expect(jsonOf(await call("GET", "/v1/sessions/s"))).toMatchObject({
    processed_files: ["a"],
    pending_files: ["b", "c", "d"],
    partial_results: { a: { score: 1 } },
  });

  // What was sent is answered first, and the lease is over when the connection is closed.
  worker.send({ type: "progress", seq: 2, processed: ["b"] });
  worker.send({ type: "detach" });
  worker.send({ type: "progress", seq: 3, processed: ["c"] });
  expect(await worker.closed).toMatchObject({ code: "detached" });
  expect(worker.messages.at(-1)).toEqual({ type: "ack", seq: 2, revision: 3 });
  expect(await store.leases.all()).toEqual([]);
  expect(jsonOf(await call("GET", "/v1/sessions/s"))).toMatchObject({
    status: "running",
    pending_files: ["c", "d"],
  });
  expect(jsonOf(await call("GET", "/v1/sessions/s/summary")).workers).toEqual([]);
});

test("numbers that no double equals come to the worker, and from it, as they are", async () => {
  const { socketPath, create, call } = await startServer();
  await create("s");
  const exact = { big: 2n ** 70n, decimal: new ExactNumber("0.1000000000000000055511151231257827") };
  await call("POST", "/v1/sessions/s/progress", { json: { results: { before: exact } } });
  const worker = await attachWorker(socketPath, "s");
  expect(worker.session.partial_results).toEqual({ before: exact });
  await worker.report(1, { results: { after: exact } });
  expect(jsonOf(await call("GET", "/v1/sessions/s")).partial_results).toEqual({
    before: exact,
    after: exact,
  });
});

test("many reports under way are acked in order, with far fewer acks, and each of them is kept", async () => {
  const { socketPath, create, call } = await startServer();
  const files = Array.from({ length: 3000 }, (_, at) => `f${at}`);
  await create("s", files);
  const worker = await attachWorker(socketPath, "s");
  files.forEach((file, at) => {
    worker.send({ type: "progress", seq: 10 * (at + 1), processed: [file], results: { [file]: at } });
  });
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 30_000 }));
  const seqs = worker.messages.map((message) => (message.type === "ack" ? message.seq : -1));
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  expect(new Set(seqs).size).toBe(seqs.length);
  expect(seqs.length).toBeLessThan(files.length / 4);
  const session = jsonOf(await call("GET", "/v1/sessions/s"));
  expect(session.processed_files).toEqual(files);
  expect(Object.keys(session.partial_results as object)).toHaveLength(files.length);
});

test("a seq may be written as another language writes whole numbers", async () => {
  const { socketPath, create, call } = await startServer();
  await create("s", ["a", "b"]);
  const worker = await attachWorker(socketPath, "s");
  worker.send('{"type":"progress","seq":1.0,"processed":["a"],"results":{"a":85.0}}');
  worker.send('{"type":"progress","seq":2e0,"processed":"b"}');
  await eventually(() =>
    expect(worker.messages.map(({ type, ...rest }) => [type, "seq" in rest && rest.seq]).sort()).toEqual([
      ["ack", 1],
      ["error", 2],
    ]),
  );
  expect((await call("GET", "/v1/sessions/s")).text).toContain('"partial_results":{"a":85.0}');
});

test("a report that is refused has its error before any ack beyond it, and the others count", async () => {
  const { socketPath, create, call } = await startServer({ limits: { depth: 10 } });
  await create("s", ["a", "b", "c", "d"]);
  const worker = await attachWorker(socketPath, "s");
  const deep = `{"type":"progress","seq":2,"results":{"deep":${"[".repeat(20)}${"]".repeat(20)}}}`;
  worker.send({ type: "progress", seq: 1, processed: ["a"] });
  worker.send(deep);
  worker.send({ type: "progress", seq: 3, processed: ["b"] });
  worker.send({ type: "progress", seq: 4, processed: "c" });
  worker.send({ type: "progress", seq: 5, processed: ["d"], note: "unknown" });
  worker.send('{"type":"progress","seq":6,"results":{"a":1,"a":2}}');
  worker.send({ type: "progress", seq: 7, processed: ["d"] });
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 7 }));
  const answers = worker.messages.map((message) => [
    message.type,
    "seq" in message ? message.seq : undefined,
  ]);
  for (const seq of [2, 4, 5, 6]) {
    const refused = answers.findIndex(([type, of]) => type === "error" && of === seq);
    expect(refused, `error of ${seq}`).toBeGreaterThanOrEqual(0);
    const beyond = answers.findIndex(([type, of]) => type === "ack" && (of as number) > seq);
    expect(refused).toBeLessThan(beyond);
  }
  const errors = worker.messages.filter((message) => message.type === "error");
  expect(errors.map(({ code, detail }) => `${code}: ${detail}`)).toEqual([
    expect.stringMatching(/^invalid_request: .*nested/),
    expect.stringMatching(/^invalid_request: .*processed: must be an array/),
    expect.stringMatching(/^invalid_request: .*note: is not a known key/),
    expect.stringMatching(/^invalid_request: .*[Dd]uplicate key/),
  ]);
  expect(jsonOf(await call("GET", "/v1/sessions/s"))).toMatchObject({
    processed_files: ["a", "b", "d"],
    pending_files: ["c"],
    partial_results: {},
  });
});

test.each<[what: string, junk: string | Buffer, detail: RegExp]>([
  ["what is not JSON", "hello", /cannot read the message as JSON/],
  ["another type", '{"type":"dance"}', /type/],
  ["progress without a seq", '{"type":"progress","processed":["b"]}', /seq/],
  ["a seq that is no whole number", '{"type":"progress","seq":1.5}', /seq/],
  ["a seq that does not grow", '{"type":"progress","seq":7}', /seq 7 follows 7/],
  ["what is not UTF-8", Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), /not valid UTF-8/],
])("%s ends the connection, after what came before is answered", async (_, junk, detail) => {
  const { socketPath, create, store } = await startServer();
  await create("s", ["a", "b"]);
  const worker = await attachWorker(socketPath, "s");
  worker.send({ type: "progress", seq: 7, processed: ["a"] });
  if (typeof junk === "string") worker.send(junk);
  else worker.socket.write(junk);
  worker.send({ type: "progress", seq: 8, processed: ["b"] });
  expect(await worker.closed).toEqual({
    type: "closing",
    code: "invalid_request",
    detail: expect.stringMatching(detail),
  });
  expect(worker.messages).toEqual([{ type: "ack", seq: 7, revision: 2 }]);
  // It may come back: the lease is not over.
  expect(await store.leases.all()).toHaveLength(1);
});

test("a message that is not UTF-8 is refused by its seq; one over the limit ends the connection", async () => {
  const { socketPath, create } = await startServer({ limits: { bodyBytes: 20_000 } });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  worker.socket.write(Buffer.from('{"type":"progress","seq":1,"processed":["caf\xe9"]}\n', "latin1"));
  worker.send({ type: "progress", seq: 2, processed: ["café"] });
  worker.send({ type: "progress", seq: 3, results: { a: "x".repeat(20_000) } });
  worker.send({ type: "progress", seq: 4 });
  expect(await worker.closed).toEqual({
    type: "closing",
    code: "payload_too_large",
    detail: expect.stringContaining("longer than 20000 bytes (limits.body"),
  });
  expect(worker.messages).toEqual([
    { type: "error", code: "invalid_request", detail: expect.stringContaining("not valid UTF-8"), seq: 1 },
    { type: "ack", seq: 2, revision: 2 },
  ]);
});

test.each<[what: string, members: string, code: string]>([
  ["with too many values", `"results":{"list":[${"[],".repeat(200_001)}[]]}`, "payload_too_large"],
  ["of a wrong shape", `"processed":["${"x".repeat(300_000)}",1]`, "invalid_request"],
  [
    "with two values under one key",
    `"results":{"a":1,"b":"${"x".repeat(300_000)}","a":2}`,
    "invalid_request",
  ],
  ["with a very long key", `"results":{"${"k".repeat(1_100_000)}":1}`, "invalid_request"],
])("a long report %s is refused by its seq, and the next one is taken", async (_, members, code) => {
  const limits = { bodyBytes: 4 * 1024 * 1024, values: 200_000 };
  const { socketPath, create } = await startServer({ limits });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  const results = { list: Array.from({ length: 150_000 }, (_, n) => n) };
  worker.send({ type: "progress", seq: 1, processed: ["a"], results });
  worker.send({ type: "progress", seq: 2, processed: ["b"] });
  worker.send(`{"type":"progress","seq":3,${members}}`);
  worker.send({ type: "progress", seq: 4, processed: ["c"] });
  worker.send({ type: "detach" });
  expect(await worker.closed).toMatchObject({ code: "detached" });
  expect(worker.messages.filter(({ type }) => type === "error")).toMatchObject([{ code, seq: 3 }]);
  expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 4 });
});

test("a long message whose seq cannot be known ends the connection", async () => {
  const { socketPath, create } = await startServer();
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  worker.send(`{"type":"progress","seq":1,"processed":["${"x".repeat(300_000)}"`);
  expect(await worker.closed).toMatchObject({ code: "invalid_request" });
  expect(worker.messages).toEqual([]);
});

test("what can be refused is refused as HTTP, before there is a connection", async () => {
  const server = await startServer();
  const { socketPath, create, call, store } = server;
  await create("s");
  await create("gone");
  await call("DELETE", "/v1/sessions/gone");
  const refused = async (id: string, options = {}) => {
    const error = await attachWorker(socketPath, id, options).then(
      () => undefined,
      (thrown: Refused) => thrown,
    );
    expect(error?.headers["content-type"], id).toMatch(/^application\/problem\+json/);
    expect(error?.body.status).toBe(error?.status);
    return `${error?.status} ${error?.body.code}: ${error?.body.detail}`;
  };
  expect(await refused("nobody")).toMatch(/^404 session_not_found: /);
  expect(await refused("gone")).toMatch(/^410 session_deleted: /);
  expect(await refused("line\nbreak")).toMatch(/^422 invalid_session_id: /);
  expect(await refused("s", { query: "epoch=7" })).toMatch(/^400 invalid_request: .*epoch/);
  expect(await refused("s", { worker: "" })).toMatch(/^400 invalid_request: .*worker/);
  expect(await refused("s", { query: "who=me" })).toMatch(/^400 invalid_request: .*who/);
  expect(await refused("s", { token: "guessed" })).toMatch(/^409 lease_lost: /);
  expect(await refused("s", { token: "" })).toMatch(/^409 lease_lost: /);
  expect(await store.leases.all()).toEqual([]);
  await attachWorker(socketPath, "s", { worker: "first" });
  expect(await refused("s")).toMatch(/^409 lease_held: .*"first" is attached/);
  expect(await store.leases.all()).toHaveLength(1);
});

test("a request that does not ask for the channel takes no lease", async () => {
  const server = await startServer();
  await server.create("s");
  for (const headers of [
    {},
    { ...upgradeHeaders, upgrade: "websocket" },
    { upgrade: upgradeHeaders.upgrade },
  ]) {
    const reply = await server.call("GET", "/v1/sessions/s/attach", { headers });
    expect([reply.status, reply.headers.upgrade]).toEqual([426, "sessiond-channel/1"]);
    expect(jsonOf(reply)).toMatchObject({
      code: "invalid_request",
      detail: expect.stringContaining("Upgrade: sessiond-channel/1"),
    });
  }
  const post = await server.call("POST", "/v1/sessions/s/attach");
  expect([post.status, post.headers.allow]).toEqual([405, "GET"]);
  expect(await server.store.leases.all()).toEqual([]);
});

test("a client that goes away in the middle of the handshake leaves no lease behind for ever", async () => {
  const { socketPath, create, store } = await startServer({ worker: { reattachGraceMs: 20 } });
  for (let turns = 0; turns < 60; turns++) {
    const id = `s${turns}`;
    await create(id);
    const socket = askToAttach(socketPath, id, {});
    socket.on("error", () => {});
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
  }
  await eventually(async () => expect(await store.leases.all()).toEqual([]));
});
