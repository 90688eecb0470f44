import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import type { Info } from "../../src/contract/replies.ts";
import { connectionLimit } from "../../src/server/socket/descriptors.ts";
import { parseSessionId } from "../../src/session/session-id.ts";
import { eventually } from "../support/eventually.ts";
import { jsonOf } from "../support/http.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { startServer } from "./running-server.ts";

test("a body over the limit is answered, whether its length is told or not", async () => {
  const { call, socketPath } = await startServer({ limits: { bodyBytes: 100_000 } });
  const body = `{"session_id":"${"x".repeat(5_000_000)}"}`;
  const reply = await call("POST", "/v1/sessions", {
    body,
    headers: { "content-type": "application/json" },
  });
  expect([reply.status, jsonOf(reply).code]).toEqual([413, "payload_too_large"]);
  expect(jsonOf(reply).detail).toContain("97.7 KiB");

  const socket = open(socketPath);
  socket.write(postHead("transfer-encoding: chunked"));
  for (let sent = 0; sent < 50; sent++) socket.write(`4e20\r\n${"x".repeat(20_000)}\r\n`);
  socket.write("0\r\n\r\nGET /v1/stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
  // What was left of the body has been skipped: the connection goes on.
  expect(answer).toContain("HTTP/1.1 200 ");
});

test("a body that drips is cut off", async () => {
  const { socketPath } = await startServer({ limits: { requestTimeoutMs: 300 } });
  const socket = open(socketPath);
  socket.write(postHead("content-length: 1000"));
  const drip = setInterval(() => socket.write(" "), 20);
  onTestFinished(() => clearInterval(drip));
  expect(await text(socket)).toMatch(/^HTTP\/1.1 408 /);
});

test("headers that drip, and a connection that says nothing, are cut off", async () => {
  const { socketPath } = await startServer({ limits: { requestTimeoutMs: 300 } });
  const dripping = open(socketPath);
  dripping.write("GET /v1/stats HTTP/1.1\r\n");
  const drip = setInterval(() => dripping.write("x"), 20);
  onTestFinished(() => clearInterval(drip));
  const silent = open(socketPath);
  expect(await text(dripping)).toMatch(/^HTTP\/1.1 408 /);
  await text(silent);
});

test("above the number of connections, those that never sent a request make room, the oldest first", async () => {
  const { socketPath, call } = await startServer({ limits: { connections: 3 } });
  const silent = [await connected(socketPath), await connected(socketPath), await connected(socketPath)];
  expect((await call("GET", "/v1/stats")).status).toBe(200);
  await text(silent[0] as Socket);
  expect(silent.map(({ closed }) => closed)).toEqual([true, false, false]);
});

test("a body that does not go on makes room before a caller that may send its next request", async () => {
  const { socketPath, call } = await startServer({ limits: { connections: 2 } });
  const receiving = await connected(socketPath);
  receiving.write(`${postHead("content-length: 1000")}{`);
  const idle = await connected(socketPath);
  idle.write("GET /v1/stats HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(idle, "data");
  expect((await call("GET", "/v1/stats")).status).toBe(200);
  await eventually(() => expect(receiving.closed).toBe(true));
  expect(idle.closed).toBe(false);
});

test("a caller that has been idle for long makes room before a body that is on its way", async () => {
  const { socketPath, call } = await startServer({ limits: { connections: 2 } });
  const idle = await connected(socketPath);
  idle.write("GET /v1/stats HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(idle, "data");
  const body = await connected(socketPath);
  body.write(postHead("content-length: 60000000"));
  // What goes on is never called slow.
  const goesOn = setInterval(() => body.write(" ".repeat(100_000)), 50);
  onTestFinished(() => clearInterval(goesOn));
  await eventually(async () => {
    expect((await call("GET", "/v1/stats")).status).toBe(200);
    expect(idle.closed).toBe(true);
  });
  expect(body.closed).toBe(false);
});

test("where there is nobody else, one whose body is on its way makes room", async () => {
  const { socketPath, call } = await startServer({ limits: { connections: 1 } });
  const receiving = await connected(socketPath);
  receiving.write(`${postHead("content-length: 1000")}{`);
  expect((await call("GET", "/v1/stats")).status).toBe(200);
  await eventually(() => expect(receiving.closed).toBe(true));
});

test("a worker and a reader of events keep their connections, and leave some to others", async () => {
  const { socketPath, call, create } = await startServer({ limits: { connections: 9 } });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  const readers = [];
  for (let count = 0; count < 7; count++) {
    const reader = await connected(socketPath);
    reader.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(reader, "data");
    readers.push(reader);
  }
  expect((await call("GET", "/v1/events")).status).toBe(503);
  await create("t");
  await expect(attachWorker(socketPath, "t")).rejects.toMatchObject({ status: 503 });
  for (let count = 0; count < 20; count++) await connected(socketPath);
  expect((await call("GET", "/v1/stats")).status).toBe(200);
  expect(readers.some(({ closed }) => closed)).toBe(false);
  expect(await worker.report(1, { processed: ["a"] })).toMatchObject({ type: "ack" });
});

test("bodies that never end make room for one that does", async () => {
  const mebibyte = 1024 * 1024;
  const limits = { bodyBytes: 2 * mebibyte, bufferedBytes: 3 * mebibyte };
  const { socketPath, call } = await startServer({ limits });
  const stuck = await Promise.all(Array.from({ length: 6 }, () => connected(socketPath)));
  const replies = stuck.map((socket) => {
    socket.write(postHead(`content-length: ${2 * mebibyte}`));
    socket.write(" ".repeat(mebibyte + mebibyte / 2));
    return once(socket, "data").then(([reply]) => String(reply));
  });
  const { connections } = jsonOf(await call("GET", "/v1/info")) as { connections: Info["connections"] };
  expect(connections?.buffered_bytes).toBeLessThanOrEqual(limits.bufferedBytes + limits.bodyBytes);
  const body = `{"session_id":"s","config":{"target_path":"/x"}${" ".repeat(mebibyte)}}`;
  const made = await call("POST", "/v1/sessions", {
    body,
    headers: { "content-type": "application/json" },
  });
  expect(made.status).toBe(201);
  const cut = await Promise.any(replies);
  expect(cut).toMatch(/^HTTP\/1.1 503 /);
  expect(cut).toMatch(/retry-after: 1/i);
  expect(cut).toContain("limits.buffered");
});

test("quick bodies that are larger together than what may be buffered are all taken", async () => {
  const mebibyte = 1024 * 1024;
  const limits = { bodyBytes: 2 * mebibyte, bufferedBytes: mebibyte };
  const { call } = await startServer({ limits });
  const made = await Promise.all(
    Array.from({ length: 12 }, (_, number) =>
      call("POST", "/v1/sessions", {
        body: `{"session_id":"s${number}","config":{"target_path":"/x"}${" ".repeat(1.5 * mebibyte)}}`,
        headers: { "content-type": "application/json" },
      }),
    ),
  );
  expect(made.map(({ status }) => status)).toEqual(Array(12).fill(201));
  const { connections } = jsonOf(await call("GET", "/v1/info")) as { connections: Info["connections"] };
  expect(connections).toMatchObject({ buffered_bytes: 0, cut: 0 });
});

test("replies that nobody reads make room for others", async () => {
  const mebibyte = 1024 * 1024;
  const { socketPath, store, call } = await startServer({ limits: { bufferedBytes: 4 * mebibyte } });
  await store.create({
    session_id: parseSessionId("s"),
    config: { target_path: "/x", large: "x".repeat(mebibyte) },
  });
  for (let count = 0; count < 10; count++) {
    const socket = await connected(socketPath);
    socket.pause();
    socket.write("GET /v1/sessions/s HTTP/1.1\r\nhost: x\r\n\r\n");
  }
  await eventually(async () => {
    expect((await call("GET", "/v1/sessions/s")).status).toBe(200);
    const { connections } = jsonOf(await call("GET", "/v1/info")) as { connections: Info["connections"] };
    expect(connections?.cut).toBeGreaterThan(0);
    expect(connections?.buffered_bytes).toBeLessThanOrEqual(4 * mebibyte);
  });
});

test("a message of a worker that never ends makes room for others", async () => {
  const mebibyte = 1024 * 1024;
  const limits = { bodyBytes: 2 * mebibyte, bufferedBytes: mebibyte };
  const { socketPath, create, call } = await startServer({ limits });
  await create("s");
  const worker = await attachWorker(socketPath, "s");
  // The first part of a line, and no other.
  worker.socket.write("x".repeat(1.5 * mebibyte));
  const body = `{"session_id":"t","config":{"target_path":"/x"}${" ".repeat(mebibyte / 2)}}`;
  const made = await call("POST", "/v1/sessions", {
    body,
    headers: { "content-type": "application/json" },
  });
  expect(made.status).toBe(201);
  await worker.closed;
});

async function connected(path: string): Promise<Socket> {
  const socket = open(path);
  await once(socket, "connect");
  return socket;
}

test("connections leave descriptors for the files of the store", () => {
  expect(connectionLimit(1024, 1_048_576)).toBe(1024);
  expect(connectionLimit(1024, 1024)).toBe(896);
  expect(connectionLimit(1024, 100)).toBe(50);
  expect(connectionLimit(1024, 1)).toBe(1);
  expect(connectionLimit(40)).toBe(40);
});

function open(path: string): Socket {
  const socket = connect(path);
  onTestFinished(() => void socket.destroy());
  // The server hangs up while we are still dripping.
  socket.on("error", () => {});
  return socket;
}

function postHead(framing: string): string {
  return `POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;
}

test("a connection that sends many requests before their answers is closed", async () => {
  const { socketPath, call } = await startServer();
  const pipelined = (count: number) => "GET /v1/stats HTTP/1.1\r\nhost: x\r\n\r\n".repeat(count);
  const few = await connected(socketPath);
  let answers = "";
  few.on("data", (chunk) => {
    answers += String(chunk);
  });
  few.write(pipelined(4));
  await eventually(() => expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(4));
  const many = await connected(socketPath);
  many.write(pipelined(5));
  await text(many).catch(() => "");
  expect(many.closed).toBe(true);
  expect((await call("GET", "/v1/stats")).status).toBe(200);
});

test("what such a connection sent beyond its limit is not handled", async () => {
  const { socketPath, store } = await startServer();
  const create = (id: string) => {
    const body = JSON.stringify({ session_id: id, config: { target_path: "/x" } });
    return `${postHead(`content-length: ${body.length}`)}${body}`;
  };
  const many = await connected(socketPath);
  many.write(Array.from({ length: 20 }, (_, at) => create(`s${at}`)).join(""));
  await text(many).catch(() => "");
  await eventually(async () => expect((await store.list({})).total).toBeGreaterThan(0));
  const ids = (await store.list({})).sessions.map(({ session_id }) => session_id).sort();
  expect(["s0", "s1", "s2", "s3"]).toEqual(expect.arrayContaining(ids));
});
