import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { connectionLimit } from "../../src/server/socket/descriptors.ts";
import { eventually } from "../support/eventually.ts";
import { jsonOf } from "../support/http.ts";
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

test("above the number of connections new ones are turned away, and later taken again", async () => {
  const { socketPath, call } = await startServer({ limits: { connections: 3 } });
  const held = [open(socketPath), open(socketPath), open(socketPath)];
  await Promise.all(held.map((socket) => once(socket, "connect")));
  await expect(call("GET", "/v1/stats")).rejects.toThrow();
  for (const socket of held) socket.destroy();
  await eventually(async () => expect((await call("GET", "/v1/stats")).status).toBe(200));
});

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
