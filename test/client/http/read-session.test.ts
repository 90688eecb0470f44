/** A session that is read as text, in pieces. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { fakeDaemon, reply } from "./fake-daemon.ts";

const begin = '{"session_id": "a", "partial_results": {';

test("a session is read in pieces, as its text, and the connection is kept", async () => {
  const text = `${begin}"x": 85.0}}`;
  const sockets = new Set<object>();
  const { client } = await fakeDaemon((request, response) => {
    sockets.add(request.socket);
    response.write(text.slice(0, 20));
    setImmediate(() => response.end(text.slice(20)));
  });
  for (let time = 0; time < 2; time++) {
    const pieces: Uint8Array[] = [];
    await client.readSession("a", async (bytes) => void pieces.push(bytes));
    expect(Buffer.concat(pieces).toString()).toBe(text);
  }
  expect(sockets.size).toBe(1);
});

test("no more is read until what was read is taken", async () => {
  let written = 0;
  const { client } = await fakeDaemon(async (_, response) => {
    const piece = "x".repeat(64 * 1024);
    for (; written < 400; written++) {
      if (!response.write(piece)) await once(response, "drain");
    }
    response.end();
  });
  let taken = 0;
  await client.readSession("a", async (bytes) => {
    taken += bytes.length;
    // Some pieces are in the buffers of the two streams and of the socket.
    expect(written * 64 * 1024 - taken).toBeLessThan(4 * 1024 * 1024);
    await new Promise((resolve) => setImmediate(resolve));
  });
  expect(taken).toBe(400 * 64 * 1024);
});

test("an error reply is an error, of which nothing is taken", async () => {
  const { client } = await fakeDaemon(reply(404, { code: "session_not_found", detail: "there is none" }));
  const take = async () => expect.unreachable("it is no session");
  await expect(client.readSession("a", take)).rejects.toMatchObject({ code: "session_not_found" });
});

test("a connection that breaks, a time that runs out, and what the caller throws end the reading", async () => {
  const { client } = await fakeDaemon((request, response) => {
    response.write(begin);
    if (request.url?.endsWith("/broken")) setImmediate(() => response.destroy());
  });
  const take = async () => {};
  await expect(client.readSession("broken", take)).rejects.toMatchObject({
    code: "daemon_unreachable",
    reason: "closed",
  });
  await expect(client.readSession("slow", take, { timeoutMs: 50 })).rejects.toMatchObject({
    code: "timed_out",
  });
  const full = new Error("full");
  await expect(client.readSession("slow", () => Promise.reject(full))).rejects.toBe(full);
});
