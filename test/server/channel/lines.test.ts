/** What a worker may do to its lines, out of habit or malice. */
import { once } from "node:events";
import { connect, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { startServer } from "../running-server.ts";
import { attachHead, attachWorker } from "./channel-worker.ts";

/** Sends everything at once, closes the sending side, and resolves with the messages that come back. */
async function say(socketPath: string, id: string, lines: string) {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.end(attachHead(id) + lines);
  const [head, body] = (await text(socket)).split("\r\n\r\n") as [string, string];
  expect(head).toMatch(/^HTTP\/1\.1 101 /);
  return body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("lines that come with the request are taken, and who has closed its sending side is answered", async () => {
  const { socketPath, create, call, store } = await startServer({ worker: { reattachGraceMs: 60_000 } });
  const files = Array.from({ length: 2000 }, (_, at) => `f${at}`);
  await create("s", files);
  const lines = files.map((file, at) => `{"type":"progress","seq":${at + 1},"processed":["${file}"]}\n`);
  const [attached, ...answers] = await say(socketPath, "s", lines.join(""));
  expect(attached).toMatchObject({ type: "attached", session: { session_id: "s" } });
  expect(answers.every(({ type }) => type === "ack")).toBe(true);
  expect(answers.at(-1)).toMatchObject({ seq: 2000 });
  // It has not detached, so it is lost.
  const [lease] = await store.leases.all();
  expect(lease).toMatchObject({ session_id: "s", epoch: attached.epoch });
  const summary = jsonOf(await call("GET", "/v1/sessions/s/summary"));
  expect(summary).toMatchObject({ processed_count: 2000, workers: [{ connected: false }] });
});

test("other ends of line, empty lines, and a last line without an end are taken", async () => {
  const { socketPath, create, store } = await startServer();
  await create("s", ["a", "b"]);
  const lines = [
    '\r\n\n{"type":"progress","seq":1,"processed":["a"]}\r\n',
    ' {"type": "progress",\t"seq": 2, "processed": ["b"]} \n\n\n',
    '{"type":"detach"}',
  ];
  const [, ...answers] = await say(socketPath, "s", lines.join(""));
  expect(answers.at(-2)).toMatchObject({ type: "ack", seq: 2 });
  expect(answers.at(-1)).toEqual({ type: "closing", code: "detached", detail: expect.any(String) });
  expect(await store.leases.all()).toEqual([]);
});

test("a message that a killed worker has not sent to its end is not taken", async () => {
  const { socketPath, create, call } = await startServer();
  await create("s", ["a", "b"]);
  const whole = '{"type":"progress","seq":1,"processed":["a"]}\n';
  const [, ack, closing] = await say(socketPath, "s", `${whole}{"type":"progress","seq":2,"processed":["b"]`);
  expect([ack.seq, closing.code]).toEqual([1, "invalid_request"]);
  expect(jsonOf(await call("GET", "/v1/sessions/s")).processed_files).toEqual(["a"]);
});

test("a line that never ends ends the connection once it is too long, and no more of it is kept", async () => {
  const mebibyte = 1024 * 1024;
  const { socketPath, create, call } = await startServer({ limits: { bodyBytes: 2 * mebibyte } });
  await create("s", ["a"]);
  const worker = await attachWorker(socketPath, "s");
  worker.send({ type: "progress", seq: 1, processed: ["a"] });
  const flood = () => {
    while (worker.isOpen && worker.socket.write("x".repeat(mebibyte)));
  };
  worker.socket.on("drain", flood);
  flood();
  expect(await worker.closed).toMatchObject({ code: "payload_too_large" });
  expect(worker.messages).toEqual([{ type: "ack", seq: 1, revision: 2 }]);
  const { connections } = jsonOf(await call("GET", "/v1/info")) as {
    connections: { buffered_bytes: number };
  };
  expect(connections.buffered_bytes).toBe(0);
});

test("a million empty lines and thousands of small ones hold nobody up", async () => {
  const { socketPath, create, call } = await startServer();
  await create("s", ["a"]);
  const worker = await attachWorker(socketPath, "s");
  const count = 20_000;
  worker.send("\n".repeat(1_000_000));
  worker.send(Array.from({ length: count }, (_, at) => `{"type":"progress","seq":${at + 1}}`).join("\n"));
  const slowest = await answersMeanwhile(
    () => call("GET", "/v1/health"),
    eventually(() => expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: count })),
  );
  expect(slowest).toBeLessThan(1000);
  worker.send({ type: "detach" });
  expect(await worker.closed).toMatchObject({ code: "detached" });
});

/** Asks again and again until the promise resolves. Resolves with the longest time of an answer, in ms. */
async function answersMeanwhile(ask: () => Promise<unknown>, until: Promise<unknown>): Promise<number> {
  let isOver = false;
  let slowest = 0;
  const over = until.finally(() => (isOver = true));
  while (!isOver) {
    const before = performance.now();
    await ask();
    slowest = Math.max(slowest, performance.now() - before);
  }
  await over;
  return slowest;
}

test("what is said to a worker in one turn is said by one system call", async () => {
  const { socketPath, create } = await startServer();
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  const write = vi.spyOn(Socket.prototype, "write");
  onTestFinished(() => write.mockRestore());
  // Every other one is refused, so that there is much to say.
  const lines = Array.from({ length: 100 }, (_, at) =>
    JSON.stringify({ type: "progress", seq: at + 1, ...(at % 2 === 0 ? {} : { processed: "x" }) }),
  );
  worker.send(lines.join("\n"));
  await eventually(() => expect(worker.messages.filter(({ type }) => type === "error")).toHaveLength(50));
  const answers = write.mock.calls.filter(([said]) => /^\{"type":"(ack|error)"/.test(String(said)));
  expect(answers.length).toBeLessThan(10);
});

test("a connection that is not closed after the daemon has ended it is cut off", async () => {
  const { socketPath, create } = await startServer();
  await create("s");
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.write(`${attachHead("s")}{"type":"detach"}\n`);
  // It goes on talking, as if nothing had been said.
  const chatter = setInterval(() => socket.write("{}\n"), 50);
  onTestFinished(() => clearInterval(chatter));
  socket.resume();
  const [error] = await once(socket, "error");
  expect(error.code).toMatch(/EPIPE|ECONNRESET/);
});
