/** Sessions that several workers share: claims, from the first message to the end of the session. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { isLong } from "../../support/runs.ts";
import { follow } from "../events/event-reader.ts";
import { type RunningServer, startServer, startServerIn } from "../running-server.ts";
import { attachWorker } from "./channel-worker.ts";
import { attachShared, type SharedWorker } from "./shared-worker.ts";

const files = (count: number) => Array.from({ length: count }, (_, at) => `f${at}`);

async function summaryOf({ call }: Pick<RunningServer, "call">, id = "s") {
  return jsonOf(await call("GET", `/v1/sessions/${id}/summary`));
}

/** A session with these pending files, and workers that share it. */
async function scene(pending: readonly string[], workers: number, settings = {}) {
  const server = await startServer({ worker: { reattachGraceMs: 60_000 }, ...settings });
  await server.create("s", pending);
  const attached: SharedWorker[] = [];
  for (let at = 0; at < workers; at++) {
    attached.push(await attachShared(server.socketPath, "s", { worker: `w${at}` }));
  }
  return { ...server, server, workers: attached as [SharedWorker, SharedWorker, ...SharedWorker[]] };
}

/** Sends nothing that changes anything, and resolves when everything before it was handled. */
const caughtUp = (worker: SharedWorker) => worker.report([]);

test("the first message has the summary and the claims, and does not grow with the session", async () => {
  const { workers, server, socketPath } = await scene(files(20_000), 2);
  const [first, second] = workers;
  expect(first.first).toMatchObject({ claimed: [], summary: { session_id: "s", pending_count: 20_000 } });
  expect(JSON.stringify(first.first).length).toBeLessThan(1000);
  expect(first.first).not.toHaveProperty("session");
  expect(first.first.token).not.toBe(second.first.token);
  await expect(attachWorker(socketPath, "s")).rejects.toMatchObject({ body: { code: "lease_held" } });
  expect((await summaryOf(server)).workers).toMatchObject([
    { name: "w0", epoch: first.first.epoch, connected: true, shared: true, claimed: 0 },
    { name: "w1", epoch: second.first.epoch, connected: true, shared: true, claimed: 0 },
  ]);
  await server.create("alone");
  const alone = await attachWorker(socketPath, "alone");
  await expect(attachShared(socketPath, "alone")).rejects.toMatchObject({ body: { code: "lease_held" } });
  alone.send({ type: "claim", seq: 1, count: 1 });
  alone.send({ type: "release", seq: 2, files: [] });
  expect(await alone.report(3)).toMatchObject({ type: "ack" });
  expect(alone.messages.filter(({ type }) => type === "error")).toMatchObject([
    { code: "invalid_request", seq: 1 },
    { code: "invalid_request", seq: 2 },
  ]);
});

test("files are claimed in order, each by one worker, a fair part at most, and reported by who has them", async () => {
  const { workers, server } = await scene(files(10), 2);
  const [first, second] = workers;
  expect(await first.answer(first.ask(2))).toMatchObject({ files: ["f0", "f1"], left: 10, workers: 2 });
  expect(await second.claim(100)).toEqual(["f2", "f3", "f4", "f5"]);
  expect(await second.report(["f0"])).toMatchObject({ type: "error", code: "not_claimed" });
  expect(await second.report([], { f9: 1 })).toMatchObject({ type: "error", code: "not_claimed" });
  expect(await first.report(["f0"], { f0: 1 })).toMatchObject({ type: "ack" });
  // The report of an answer that was lost, sent again.
  expect(await first.report(["f0"], { f0: 2 })).toMatchObject({ type: "ack" });
  expect(await second.release(["f5", "f0"])).toMatchObject({ type: "error", code: "not_claimed" });
  expect(await second.release(["f5"])).toMatchObject({ type: "ack" });
  expect(await first.claim()).toEqual(["f5"]);
  expect(jsonOf(await server.call("GET", "/v1/sessions/s")).partial_results).toEqual({ f0: 1 });
  expect((await summaryOf(server)).workers).toMatchObject([{ claimed: 2 }, { claimed: 3 }]);
  expect(jsonOf(await server.call("GET", "/v1/sessions")).sessions).toMatchObject([
    { workers: [{ claimed: 2 }, { claimed: 3, shared: true }] },
  ]);
});

test("a claim waits for a file, and acks overtake it", async () => {
  const { workers } = await scene(["a", "b"], 2);
  const [first, second] = workers;
  expect(await first.claim(5)).toEqual(["a"]);
  expect(await second.claim(5)).toEqual(["b"]);
  const [one, two] = [second.ask(), second.ask()];
  await caughtUp(second);
  expect(second.messages.filter(({ type }) => type === "claimed")).toHaveLength(1);
  await first.release(["a"]);
  expect(await second.answer(one)).toMatchObject({ files: ["a"], left: 2 });
  second.send({ type: "progress", seq: 100, added: ["c", "d"] });
  expect(await second.answer(two)).toMatchObject({ files: ["c"], left: 4 });
  const three = first.ask(9);
  expect(await first.answer(three)).toMatchObject({ files: ["d"] });
});

test("every claim that waits is answered when nothing is pending any more, and so is a later one", async () => {
  const { workers } = await scene(["a"], 3);
  const [first, second, third] = workers as unknown as [SharedWorker, SharedWorker, SharedWorker];
  expect(await first.claim()).toEqual(["a"]);
  const waiting = [first, second, third].flatMap((worker) =>
    [worker.ask(3), worker.ask()].map((seq) => [worker, seq] as const),
  );
  for (const worker of workers) await caughtUp(worker);
  await first.report(["a"]);
  for (const [worker, seq] of waiting) {
    expect(await worker.answer(seq)).toMatchObject({ files: [], left: 0, workers: 3 });
  }
  expect(await second.claim()).toEqual([]);
});

test("claims wait while the session is paused, and are answered when it goes on or has ended", async () => {
  const { workers, call } = await scene(files(4), 2);
  const [first, second] = workers;
  await call("POST", "/v1/sessions/s/pause");
  await first.message("status");
  const asked = first.ask();
  await caughtUp(first);
  expect(first.messages.map(({ type }) => type)).toEqual(["status", "ack"]);
  await call("POST", "/v1/sessions/s/resume");
  expect(await first.answer(asked)).toMatchObject({ files: ["f0"] });
  await call("POST", "/v1/sessions/s/pause");
  const [later, other] = [first.ask(), second.ask()];
  await caughtUp(first);
  await caughtUp(second);
  await call("POST", "/v1/sessions/s/complete");
  expect(await first.answer(later)).toMatchObject({ files: [], left: 4 });
  expect(await second.answer(other)).toMatchObject({ files: [], left: 4 });
  const told = first.messages.map((message) => ("status" in message ? message.status : message.type));
  expect(told.slice(-2)).toEqual(["completed", "claimed"]);
  // What was in flight is still reported, and a claim gets nothing.
  expect(await first.report(["f0"])).toMatchObject({ type: "ack" });
  expect(await second.claim()).toEqual([]);
  await call("POST", "/v1/sessions/s/reopen");
  await eventually(async () => expect(await second.claim()).toEqual(["f1"]));
});

test("a session that ends while its first worker attaches answers the claims of that worker", async () => {
  const server = await startServer();
  await server.create("s", ["a"]);
  const { held } = server.store.claims;
  // After the summary of the first message was read, and before the connection is there.
  server.store.claims.held = async (...given) => {
    await server.call("POST", "/v1/sessions/s/complete");
    return held.apply(server.store.claims, given);
  };
  const worker = await attachShared(server.socketPath, "s");
  expect(worker.first.summary.status).toBe("running");
  expect(await worker.message("status")).toMatchObject({ status: "completed" });
  expect(await worker.answer(worker.ask())).toMatchObject({ files: [], left: 1 });
});

test("a worker that comes back has its claims, also those of an answer that did not arrive", async () => {
  const { workers, server, socketPath } = await scene(files(6), 2);
  const [first, second] = workers;
  expect(await first.claim()).toEqual(["f0"]);
  first.socket.pause();
  first.ask(2);
  await eventually(async () => expect((await summaryOf(server)).workers).toMatchObject([{ claimed: 3 }, {}]));
  first.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server)).workers).toMatchObject([{ connected: false, claimed: 3 }, {}]),
  );
  const { token, epoch } = first.first;
  const again = await attachShared(socketPath, "s", { token });
  expect(again.first).toMatchObject({ claimed: ["f0", "f1", "f2"], token });
  expect(again.first.epoch).toBeGreaterThan(epoch);
  expect(await again.report(["f1"])).toMatchObject({ type: "ack" });
  // Over another connection while it has one.
  const third = await attachShared(socketPath, "s", { token });
  expect(await again.closed).toMatchObject({ code: "lease_lost" });
  expect(third.first.claimed).toEqual(["f0", "f2"]);
  expect(await second.claim()).toEqual(["f3"]);
  expect((await summaryOf(server)).workers).toHaveLength(2);
});

test("a claim that waits when its connection ends claims nothing", async () => {
  const { workers, server, socketPath } = await scene(["a"], 2);
  const [first, second] = workers;
  await first.claim();
  second.ask(5);
  await caughtUp(second);
  second.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server)).workers).toMatchObject([{}, { connected: false }]),
  );
  await first.release(["a"]);
  expect((await summaryOf(server)).workers).toMatchObject([{ claimed: 0 }, { claimed: 0 }]);
  expect((await attachShared(socketPath, "s", { token: second.first.token })).first.claimed).toEqual([]);
});

test("when a lost worker does not come back, its files are claimed by others; on_lost applies to the last", async () => {
  const { workers, server } = await scene(files(4), 2, { worker: { reattachGraceMs: 30, onLost: "pause" } });
  const [first, second] = workers;
  expect(await first.claim(9)).toEqual(["f0", "f1"]);
  expect(await second.claim(9)).toEqual(["f2"]);
  expect(await second.claim(9)).toEqual(["f3"]);
  const asked = second.ask(9);
  await caughtUp(second);
  first.socket.destroy();
  expect(await second.answer(asked)).toMatchObject({ files: ["f0", "f1"], workers: 1 });
  expect(await summaryOf(server)).toMatchObject({ status: "running", workers: [{ name: "w1", claimed: 4 }] });
  second.socket.destroy();
  await eventually(async () =>
    expect(await summaryOf(server)).toMatchObject({
      status: "paused",
      status_reason: 'the worker "w1" was lost: its connection ended, and it did not reconnect in time',
      workers: [],
    }),
  );
});

test("of workers that are all lost at once, exactly one is the last", async () => {
  const { workers, server } = await scene(files(9), 5, { worker: { reattachGraceMs: 30, onLost: "fail" } });
  await Promise.all(workers.map((worker) => worker.claim()));
  for (const worker of workers) worker.socket.destroy();
  await eventually(async () =>
    expect(await summaryOf(server)).toMatchObject({ status: "failed", workers: [] }),
  );
  const { entries } = { entries: await server.store.claims.counts("s") };
  expect([...entries.values()].filter((count) => count > 0)).toEqual([]);
});

test("an evicted worker loses its lease and its files at once, and nothing becomes of the session", async () => {
  const { workers, server, socketPath, call } = await scene(files(3), 2);
  const [first, second] = workers;
  await first.claim(9);
  expect(await second.claim(9)).toEqual(["f2"]);
  first.ask();
  const asked = second.ask(9);
  await caughtUp(first);
  await caughtUp(second);
  const { epoch, token } = first.first;
  const evicted = await call("DELETE", `/v1/sessions/s/workers/${epoch}`);
  expect(jsonOf(evicted)).toEqual({ epoch, name: "w0", released: 2 });
  expect(await first.closed).toMatchObject({
    code: "lease_lost",
    detail: expect.stringContaining("operator"),
  });
  expect(await second.answer(asked)).toMatchObject({ files: ["f0", "f1"], workers: 1 });
  await expect(attachShared(socketPath, "s", { token })).rejects.toMatchObject({
    body: { code: "lease_lost" },
  });
  const refusal = async (path: string) => {
    const { status, text } = await call("DELETE", `/v1/sessions/${path}`);
    return [status, JSON.parse(text).code];
  };
  expect(await refusal(`s/workers/${epoch}`)).toEqual([409, "lease_lost"]);
  expect(await refusal("s/workers/0x1")).toEqual([400, "invalid_request"]);
  expect(await refusal(`t/workers/${epoch}`)).toEqual([404, "session_not_found"]);
  await call("DELETE", `/v1/sessions/s/workers/${second.first.epoch}`);
  expect(await summaryOf(server)).toMatchObject({ status: "running", workers: [] });
});

test("a lost worker, and one that has its session for itself, are evicted just so", async () => {
  const { workers, server, socketPath, call, create } = await scene(["a"], 2);
  const [first, second] = workers;
  await first.claim();
  const asked = second.ask();
  first.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server)).workers).toMatchObject([{ connected: false }, {}]),
  );
  await call("DELETE", `/v1/sessions/s/workers/${first.first.epoch}`);
  expect(await second.answer(asked)).toMatchObject({ files: ["a"] });
  await create("t");
  const alone = await attachWorker(socketPath, "t", { worker: "alone" });
  const reply = jsonOf(await call("DELETE", `/v1/sessions/t/workers/${alone.epoch}`));
  expect(reply).toEqual({ epoch: alone.epoch, name: "alone", released: 0 });
  expect(await alone.closed).toMatchObject({ code: "lease_lost" });
  await attachWorker(socketPath, "t");
});

test("files are requeued while workers share the session, but not those that somebody has claimed", async () => {
  const { workers, call, create, socketPath } = await scene(files(3), 2);
  const [first, second] = workers;
  const requeue = async (...names: string[]) => {
    const { status, text } = await call("POST", "/v1/sessions/s/requeue", { json: { files: names } });
    return status === 200 ? JSON.parse(text) : [status, JSON.parse(text).code, JSON.parse(text).detail];
  };
  await first.claim(2);
  await second.claim(2);
  await first.report(["f1"], { f1: "kept" });
  const asked = second.ask();
  await caughtUp(second);
  expect(await requeue("f1", "f0")).toMatchObject([409, "not_claimed", expect.stringContaining('"f0"')]);
  expect(await requeue("f1", "f8", "f9")).toMatchObject([
    400,
    "invalid_request",
    expect.stringContaining('"f8"'),
  ]);
  expect(await requeue("f1", "f1")).toMatchObject({
    status: "running",
    processed_count: 0,
    pending_count: 3,
  });
  expect(await second.answer(asked)).toMatchObject({ files: ["f1"] });
  expect(jsonOf(await call("GET", "/v1/sessions/s/results")).results).toEqual({ f1: "kept" });
  await create("t", ["a"]);
  const alone = await attachWorker(socketPath, "t");
  await alone.report(1, { processed: ["a"] });
  const held = await call("POST", "/v1/sessions/t/requeue", { json: { files: ["a"] } });
  expect(JSON.parse(held.text)).toMatchObject({ status: 409, code: "lease_held" });
});

test("a daemon that stops ends claims that wait with its last message, and the next one knows who has what", async () => {
  const { workers, server } = await scene(files(2), 2);
  const [first, second] = workers;
  expect(await first.claim()).toEqual(["f0"]);
  expect(await second.claim()).toEqual(["f1"]);
  second.ask();
  await caughtUp(second);
  const stopping = server.server.close(5000).then(() => server.store.close());
  expect(await second.closed).toMatchObject({ code: "shutting_down" });
  expect(second.messages.filter(({ type }) => type === "claimed")).toHaveLength(1);
  await stopping;
  const { memory } = server.store;
  const next = await startServer({ memory, worker: { reattachGraceMs: 60_000 } });
  expect((await summaryOf(next)).workers).toMatchObject([
    {
      name: "w0",
      connected: false,
      claimed: 1,
      since: first.first.summary.session_id === "s" && expect.any(String),
    },
    { name: "w1", connected: false, claimed: 1 },
  ]);
  const again = await attachShared(next.socketPath, "s", { token: second.first.token });
  expect(again.first.claimed).toEqual(["f1"]);
  const asked = again.ask();
  const other = await attachShared(next.socketPath, "s", { token: first.first.token });
  expect(await other.report(["f0"])).toMatchObject({ type: "ack" });
  expect(await again.report(["f1"])).toMatchObject({ type: "ack" });
  expect(await again.answer(asked)).toMatchObject({ files: [], left: 0 });
});

test("a worker that closes its sending side, and one that detaches, are answered all but claims that wait", async () => {
  const { workers, server } = await scene(files(3), 2, { worker: { reattachGraceMs: 60_000 } });
  const [first, second] = workers;
  await first.claim(9);
  await second.claim(9);
  second.send({ type: "claim", seq: 2, count: 1 });
  second.send({ type: "progress", seq: 3, processed: ["f2"] });
  second.socket.end();
  expect(await second.closed).toBeUndefined();
  expect(second.messages.slice(1)).toMatchObject([{ type: "ack", seq: 3 }]);
  await eventually(async () =>
    expect((await summaryOf(server)).workers).toMatchObject([{}, { connected: false }]),
  );
  first.send({ type: "claim", seq: 2, count: 1 });
  first.send({ type: "claim", seq: 3, count: 1 });
  first.send({ type: "detach" });
  expect(await first.closed).toMatchObject({ code: "detached" });
  expect(await summaryOf(server)).toMatchObject({ status: "running", workers: [{ name: "w1" }] });
});

test("a worker may have a hundred claims waiting, and is told of one too many at once", async () => {
  const { workers } = await scene(["a"], 2);
  const [first, second] = workers;
  await first.claim();
  const asked = Array.from({ length: 101 }, () => second.ask());
  expect(await second.message("error")).toMatchObject({ code: "invalid_request", seq: asked[100] });
  expect(await second.report([])).toMatchObject({ type: "ack" });
  await first.report(["a"]);
  for (const seq of asked.slice(0, 100)) expect((await second.answer(seq)).left).toBe(0);
  expect(await second.claim()).toEqual([]);
});

test("an answer may be far larger than what a worker may leave unread", async () => {
  const long = Array.from({ length: 4000 }, (_, at) => `${"directory/".repeat(40)}${at}`);
  const { workers } = await scene(long, 1, { limits: { bodyBytes: 8 * 1024 * 1024 } });
  const [first] = workers;
  expect(await first.claim(10_000)).toEqual(long);
  expect(await first.report(long.slice(0, 3999))).toMatchObject({ type: "ack" });
  expect(await first.release(long.slice(3999))).toMatchObject({ type: "ack" });
});

test("bad claims and releases are refused, each by itself", async () => {
  const { workers } = await scene(files(3), 2);
  const [first] = workers;
  for (const [seq, count] of [0, 10_001, 1.5, "1", -1].entries()) {
    first.send({ type: "claim", seq: seq + 1, count });
  }
  first.send({ type: "release", seq: 6, files: "f0" });
  first.send({ type: "claim", seq: 7, count: 1, more: 1 });
  first.send({ type: "claim", seq: 8, count: 10_000 });
  const { files: claimed } = await first.answer(8);
  expect(claimed).toEqual(["f0", "f1"]);
  const refused = first.messages.flatMap((message) =>
    message.type === "error" ? [[message.seq, message.code]] : [],
  );
  expect(refused).toEqual([1, 2, 3, 4, 5, 6, 7].map((seq) => [seq, "invalid_request"]));
});

test("of many workers that wait, one gets the file that becomes free, and the others wait on", async () => {
  const { workers, store } = await scene(["a"], isLong ? 64 : 16);
  const [first] = workers;
  expect(await first.claim()).toEqual(["a"]);
  const asked = workers.map((worker) => worker.ask(10));
  for (const worker of workers) await caughtUp(worker);
  let takes = 0;
  const { take } = store.claims;
  store.claims.take = (...given) => {
    takes++;
    return take.apply(store.claims, given);
  };
  await first.release(["a"]);
  expect(await first.answer(asked[0] as number)).toMatchObject({ files: ["a"] });
  for (const worker of workers) await caughtUp(worker);
  expect(takes).toBeLessThanOrEqual(2);
  await first.report(["a"]);
  for (const [at, worker] of workers.entries()) {
    if (at > 0) expect(await worker.answer(asked[at] as number)).toMatchObject({ files: [], left: 0 });
  }
  expect(takes).toBeLessThanOrEqual(4);
});

test("all workers are told when their session is deleted", async () => {
  const { workers, call } = await scene(files(3), 3);
  const [first] = workers;
  await first.claim();
  for (const worker of workers) worker.ask(9);
  const refused = await call("DELETE", "/v1/sessions/s");
  expect(JSON.parse(refused.text)).toMatchObject({ code: "lease_held" });
  expect((await call("DELETE", "/v1/sessions/s?force=true")).status).toBe(200);
  for (const worker of workers) {
    expect(await worker.closed).toMatchObject({ code: "session_deleted" });
    expect(worker.messages.find(({ type }) => type === "status")).toMatchObject({ status: "deleted" });
  }
});

test("a session that takes the place of a deleted one shares nothing with it", async () => {
  const { workers, call, create, socketPath } = await scene(["a"], 1);
  const [old] = workers;
  for (let at = 0; at < 10; at++) await caughtUp(old);
  expect(await old.claim()).toEqual(["a"]);
  // It is slow to close its connection.
  old.socket.pause();
  await call("DELETE", "/v1/sessions/s?force=true&purge=true");
  await create("s", ["a", "b"]);
  const worker = await attachShared(socketPath, "s");
  expect(await worker.claim()).toEqual(["a"]);
  await call("POST", "/v1/sessions/s/pause");
  expect(await worker.message("status")).toMatchObject({ status: "paused" });
  const asked = worker.ask();
  await caughtUp(worker);
  await call("POST", "/v1/sessions/s/complete");
  expect(await worker.answer(asked)).toMatchObject({ files: [], left: 2, workers: 1 });
});

test("workers that share a session are told of, each by its epoch", async () => {
  const { workers, call, socketPath } = await scene(["a"], 3, { worker: { reattachGraceMs: 30 } });
  const [first, second, third] = workers as unknown as [SharedWorker, SharedWorker, SharedWorker];
  const reader = await follow(socketPath, "?session=s");
  const fourth = await attachShared(socketPath, "s", { worker: "w3" });
  first.send({ type: "detach" });
  await first.closed;
  await call("DELETE", `/v1/sessions/s/workers/${second.first.epoch}`);
  third.socket.destroy();
  await reader.until({ kind: "worker.lost", epoch: third.first.epoch, gone: true });
  expect(reader.events.slice(1)).toMatchObject([
    { kind: "worker.attached", worker: "w3", epoch: fourth.first.epoch, status: "running" },
    { kind: "worker.detached", worker: "w0", epoch: first.first.epoch },
    { kind: "worker.lost", worker: "w1", epoch: second.first.epoch, gone: true },
    { kind: "worker.lost", worker: "w2", epoch: third.first.epoch, gone: false },
    { kind: "worker.lost", worker: "w2", epoch: third.first.epoch, gone: true, status: "running" },
  ]);
});

test("a stop names a session once, however many workers it has", async () => {
  const onDemand = { idleExitMs: 1000, stop() {} };
  const { call } = await scene(files(3), 3, { daemon: { onDemand } });
  const refused = await call("POST", "/v1/stop");
  expect(JSON.parse(refused.text).detail).toBe('workers are attached to "s"; a stop would end their work');
  const stopped = await call("POST", "/v1/stop", { json: { force: true } });
  expect(jsonOf(stopped).ends).toEqual(["s"]);
});

test("files that another program adds, or takes away, reach the claims that wait", async () => {
  const server = await startServerIn();
  await server.create("s", ["a"]);
  const worker = await attachShared(server.socketPath, "s");
  const other = await attachShared(server.socketPath, "s");
  expect(await worker.claim()).toEqual(["a"]);
  const asked = other.ask();
  await caughtUp(other);
  const edit = (pending_files: readonly string[]) => {
    const file = join(server.directory, "s.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), pending_files }));
  };
  edit(["a", "b"]);
  expect(await other.answer(asked)).toMatchObject({ files: ["b"], left: 2 });
  const last = other.ask();
  await caughtUp(other);
  edit([]);
  expect(await other.answer(last)).toMatchObject({ files: [], left: 0 });
});
