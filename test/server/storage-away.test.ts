/** Storage is away, and comes back: what requests, workers and readers of events see of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { SessiondError } from "../../src/error.ts";
import { eventually } from "../support/eventually.ts";
import { jsonOf } from "../support/http.ts";
import { attachWorker, type Refused } from "./channel/channel-worker.ts";
import { attachShared } from "./channel/shared-worker.ts";
import { startServerAway } from "./running-server.ts";

const later = () => sleep(30);

test("reads and writes are answered with when to ask again; info and health answer all the same", async () => {
  const { call, create, away } = await startServerAway();
  await create("s");
  away.goAway();
  for (const [method, path] of [
    ["GET", "/v1/sessions/s"],
    ["GET", "/v1/sessions"],
    ["GET", "/v1/stats"],
    ["GET", "/v1/cleanup"],
    ["GET", "/v1/trash"],
    ["POST", "/v1/sessions/s/pause"],
    ["DELETE", "/v1/sessions/s"],
    ["POST", "/v1/cleanup/failed"],
  ] as const) {
    const reply = await call(method, path);
    expect([path, reply.status, reply.headers["retry-after"]]).toEqual([path, 503, "1"]);
    expect(jsonOf(reply)).toMatchObject({ code: "storage_unavailable", detail: "the database is away" });
  }
  expect(jsonOf(await call("GET", "/v1/info"))).toMatchObject({ sessions: null });
  expect((await call("GET", "/v1/health")).status).toBe(200);
  away.comeBack();
  expect(jsonOf(await call("GET", "/v1/info"))).toMatchObject({ sessions: 1 });
  expect((await call("GET", "/v1/sessions/s")).status).toBe(200);
});

test("a worker stays connected, and what it reports meanwhile is durable in order when storage is back", async () => {
  const { socketPath, create, away, kept } = await startServerAway();
  await create("s", ["a", "b"]);
  const worker = await attachWorker(socketPath, "s");
  away.goAway();
  worker.send({ type: "progress", seq: 1, added: ["c"], results: { x: 1 } });
  worker.send({ type: "progress", seq: 2, processed: ["c"], results: { x: 2 } });
  worker.send({ type: "progress", seq: 3, processed: ["a"], results: { x: 3 } });
  await later();
  expect(worker.messages).toEqual([]);
  expect(worker.isOpen).toBe(true);
  away.comeBack();
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 3 }));
  const { session } = await kept.read("s" as never);
  expect(session.processed_files).toEqual(["c", "a"]);
  expect(session.partial_results).toEqual({ x: 3 });
});

test("a reply that was lost is asked for again", async () => {
  const { socketPath, create, away, kept } = await startServerAway();
  await create("s", ["a", "b"]);
  const worker = await attachWorker(socketPath, "s");
  kept.faults.after("report", () => {
    kept.faults.after("report");
    away.goAway();
    throw new SessiondError("storage_unavailable", "no reply came", { outcome: "unknown" });
  });
  worker.send({ type: "progress", seq: 1, processed: ["a"] });
  worker.send({ type: "progress", seq: 2, processed: ["b"] });
  await eventually(() => expect(away.store.availability.isAway).toBe(true));
  away.comeBack();
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 2 }));
  expect((await kept.read("s" as never)).session.processed_files).toEqual(["a", "b"]);
});

test("no more than a little is read from a worker that goes on sending", async () => {
  const { socketPath, create, away } = await startServerAway();
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  away.goAway();
  const text = "x".repeat(100_000);
  for (let seq = 1; seq <= 200; seq++) worker.send({ type: "progress", seq, results: { text } });
  await later();
  expect(away.refused).toEqual(["report"]);
  expect(worker.socket.writableLength).toBeGreaterThan(10_000_000);
  away.comeBack();
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 200 }));
});

test("claims and files that are given back wait, too", async () => {
  const { socketPath, create, away } = await startServerAway();
  await create("s", ["a", "b", "c", "d"]);
  const worker = await attachShared(socketPath, "s");
  worker.send({ type: "claim", seq: 1, count: 1 });
  await worker.message("claimed");
  away.goAway();
  worker.send({ type: "release", seq: 2, files: ["a"] });
  worker.send({ type: "claim", seq: 3, count: 2 });
  await later();
  expect(worker.messages).toHaveLength(1);
  away.comeBack();
  await eventually(() =>
    expect(worker.messages.slice(1)).toMatchObject([
      { type: "ack", seq: 2 },
      { type: "claimed", seq: 3, files: ["a", "b"] },
    ]),
  );
});

test("a worker whose claim may have been carried out connects again, and is told what it holds", async () => {
  const { socketPath, create, kept } = await startServerAway();
  await create("s", ["a", "b"]);
  const worker = await attachShared(socketPath, "s");
  kept.faults.after("claims", () => {
    kept.faults.after("claims");
    throw new SessiondError("storage_unavailable", "no reply came", { outcome: "unknown" });
  });
  worker.send({ type: "claim", seq: 1, count: 1 });
  await worker.closed;
  expect(worker.messages).toEqual([]);
  const again = await attachShared(socketPath, "s", { token: worker.first.token });
  expect(again.first.claimed).toEqual(["a"]);
});

test("nobody can attach meanwhile", async () => {
  const { socketPath, create, away } = await startServerAway();
  await create("s");
  away.goAway();
  const refused = (await attachWorker(socketPath, "s").catch((error: unknown) => error)) as Refused;
  expect(refused).toMatchObject({ status: 503, body: { code: "storage_unavailable" } });
  expect(refused.headers["retry-after"]).toBe("1");
});

test("a worker that lost its connection has its whole grace again when storage is back", async () => {
  const { socketPath, create, away } = await startServerAway({ worker: { reattachGraceMs: 300 } });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  away.goAway();
  worker.socket.destroy();
  await sleep(500);
  away.comeBack();
  await sleep(100);
  const again = await attachWorker(socketPath, "s", { token: worker.token });
  expect(again.epoch).toBeGreaterThan(worker.epoch);
});

test("the grace of a worker that does not come back ends after storage is back", async () => {
  const { socketPath, create, away, call } = await startServerAway({ worker: { reattachGraceMs: 30 } });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  away.goAway();
  worker.socket.destroy();
  await sleep(100);
  away.comeBack();
  await eventually(async () =>
    expect(jsonOf(await call("GET", "/v1/sessions/s/summary"))).toMatchObject({
      status: "paused",
      workers: [],
    }),
  );
});

test("a daemon that stops tells its workers at once, and leaves what it could not keep to them", async () => {
  const { server, socketPath, create, away } = await startServerAway();
  await create("s", ["a"]);
  const worker = await attachWorker(socketPath, "s");
  away.goAway();
  worker.send({ type: "progress", seq: 1, processed: ["a"] });
  await eventually(() => expect(away.refused).toContain("report"));
  const began = performance.now();
  await server.close(5000);
  expect(performance.now() - began).toBeLessThan(2000);
  expect(await worker.closed).toMatchObject({ code: "shutting_down" });
  expect(worker.messages).toEqual([]);
});
