import { once } from "node:events";
import { connect } from "node:net";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { allSummaries } from "../../support/all-summaries.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { startServer } from "../running-server.ts";
import { attachHead, attachWorker } from "./channel-worker.ts";

/** A worker that reads nothing after the handshake. */
async function deafWorker(socketPath: string, id: string) {
  const socket = connect(socketPath);
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  socket.write(attachHead(id));
  await once(socket, "readable");
  return socket;
}

test("a client that does not read its answers is given up, and the log says so", async () => {
  const lines: string[] = [];
  const logger = pino({ level: "warn" }, { write: (line) => void lines.push(line) });
  const { socketPath, create, call } = await startServer({ logger, worker: { reattachGraceMs: 60_000 } });
  await create("s");
  const socket = await deafWorker(socketPath, "s");
  const ended = new Promise((resolve) => socket.once("close", resolve));
  let seq = 0;
  const flood = () => {
    while (!socket.destroyed) {
      const messages = Array.from({ length: 100 }, () => `{"type":"progress","seq":${++seq},"what":0}\n`);
      if (!socket.write(messages.join(""))) return;
    }
  };
  socket.on("drain", flood);
  flood();
  await eventually(() => expect(lines.join("")).toContain("does not read its answers"));
  socket.destroy();
  await ended;
  expect(jsonOf(await call("GET", "/v1/sessions/s/summary")).workers).toMatchObject([{ connected: false }]);
  expect((await call("GET", "/v1/health")).status).toBe(200);
});

test("a client that floods the daemon waits, and gets all its answers", async () => {
  const bodyBytes = 200_000;
  const { socketPath, create, call } = await startServer({ limits: { bodyBytes } });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  const count = 400;
  for (let seq = 1; seq <= count; seq++) {
    const name = `file-${seq}`;
    worker.send({ type: "progress", seq, processed: [name], results: { last: `${seq}`.padStart(40_000) } });
  }
  // 16 MB that came faster than they can be kept: the daemon has read little more than what it may hold.
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack" }));
  await eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: count }));
  const { processed_files, partial_results } = jsonOf(await call("GET", "/v1/sessions/s"));
  expect(processed_files).toHaveLength(count);
  expect((partial_results as { last: string }).last.trim()).toBe(String(count));
});

test("one message holds as much as a body may", async () => {
  const { socketPath, create, call } = await startServer({ limits: { bodyBytes: 8 * 1024 * 1024 } });
  const files = Array.from({ length: 50_000 }, (_, at) => `src/some/directory/file-${at}.ts`);
  await create("s", files.slice(0, 10));
  const worker = await attachWorker(socketPath, "s");
  const results = Object.fromEntries(files.map((file) => [file, { score: 1, notes: ["a note", "another"] }]));
  worker.send({ type: "progress", seq: 1, processed: files, results });
  await eventually(() => expect(worker.messages).toEqual([{ type: "ack", seq: 1, revision: 2 }]));
  expect(jsonOf(await call("GET", "/v1/sessions/s/summary"))).toMatchObject({ processed_count: 50_000 });
});

test("two hundred workers, each waiting for every ack, are served side by side", async () => {
  const server = await startServer();
  const { socketPath, create, call, store } = server;
  const ids = Array.from({ length: 200 }, (_, at) => `s${at}`);
  await Promise.all(ids.map((id) => create(id, ["a", "b", "c"])));
  const workers = await Promise.all(ids.map((id) => attachWorker(socketPath, id)));
  expect(jsonOf(await call("GET", "/v1/info")).workers).toBe(200);
  expect(new Set(workers.map(({ epoch }) => epoch)).size).toBe(200);
  await Promise.all(
    workers.map(async (worker) => {
      for (const [at, file] of ["a", "b", "c"].entries()) {
        expect(await worker.report(at + 1, { processed: [file] })).toMatchObject({ type: "ack" });
      }
    }),
  );
  expect((await allSummaries(store)).every(({ processed_count }) => processed_count === 3)).toBe(true);
  for (const worker of workers) worker.send({ type: "detach" });
  const closings = await Promise.all(workers.map(({ closed }) => closed));
  expect(new Set(closings.map((closing) => closing?.code))).toEqual(new Set(["detached"]));
  expect(await store.leases.all()).toEqual([]);
  expect(jsonOf(await call("GET", "/v1/info")).workers).toBe(0);
});
