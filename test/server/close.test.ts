import { once } from "node:events";
import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer } from "./running-server.ts";

/** Longer than a test may take: what would wait for it fails. */
const noDeadline = 3_600_000;

/** A request whose answer waits until it is let go. */
function heldReload() {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let begun = () => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const reload = async () => {
    begun();
    await gate;
    return { applied: [], needs_restart: [] };
  };
  return { reload, beginning, letGo };
}

test("what is under way is answered, what comes later is refused, and then nothing is left", async () => {
  const held = heldReload();
  const { server, call, socketPath } = await startServer({ daemon: { reload: held.reload } });
  const slow = call("POST", "/v1/reload", { headers: { connection: "keep-alive" } });
  await held.beginning;
  const early = connect(socketPath);
  await once(early, "connect");

  const closing = server.close(5000);
  await eventually(() => expect(existsSync(socketPath)).toBe(false));
  early.write("GET /v1/stats HTTP/1.1\r\nhost: x\r\n\r\n");
  const refused = await text(early);
  expect(refused).toMatch(/^HTTP\/1.1 503 /);
  expect(refused).toContain('"code":"shutting_down"');
  expect(refused.toLowerCase()).toContain("connection: close");
  await expect(call("GET", "/v1/stats")).rejects.toMatchObject({ code: "ENOENT" });

  held.letGo();
  const answered = await slow;
  expect([answered.status, answered.headers.connection]).toEqual([200, "close"]);
  await closing;
});

test("idle and silent connections do not keep a server from closing", async () => {
  const { server, socketPath } = await startServer();
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const idle = request({ socketPath, path: "/v1/stats", agent }).end();
  const [response] = await once(idle, "response");
  await text(response);
  const silent = connect(socketPath);
  await once(silent, "connect");
  silent.resume();
  const ended = once(silent, "close");
  await server.close(noDeadline);
  await ended;
});

test("a request that never ends is cut off at the deadline", async () => {
  const held = heldReload();
  const { server, call } = await startServer({ daemon: { reload: held.reload } });
  const stuck = call("POST", "/v1/reload").catch((error: NodeJS.ErrnoException) => error.code);
  await held.beginning;
  const started = performance.now();
  await Promise.all([server.close(200), server.close(200)]);
  expect(performance.now() - started).toBeGreaterThanOrEqual(200);
  expect(await stuck).toBe("ECONNRESET");
  held.letGo();
});

test("busy clients that keep their connections see no error but the refusal", async () => {
  const { server, socketPath } = await startServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  onTestFinished(() => agent.destroy());
  const get = async (): Promise<string> => {
    const outgoing = request({ socketPath, path: "/v1/stats", agent });
    const result = Promise.race([
      once(outgoing, "response").then(async ([response]) => {
        await text(response);
        return String(response.statusCode);
      }),
      once(outgoing, "error").then(([error]) => String(error.code)),
    ]);
    outgoing.end();
    return result;
  };
  const seen = new Set<string>();
  const client = async () => {
    for (;;) {
      const outcome = await get();
      seen.add(outcome);
      if (outcome !== "200") return;
    }
  };
  const clients = [client(), client(), client(), client()];
  await eventually(() => expect(seen).toContain("200"));
  await server.close(5000);
  await Promise.all(clients);
  expect([...seen].filter((outcome) => !["200", "503", "ENOENT"].includes(outcome))).toEqual([]);
});

test("a server that could not listen still closes", async () => {
  const first = await startServer();
  await expect(startServer({ socketPath: first.socketPath })).rejects.toMatchObject({
    code: "socket_in_use",
  });
  expect((await first.call("GET", "/v1/health")).status).toBe(200);
});

test("with serveAccepted, who connects at the moment of the close is served", async () => {
  const { server, socketPath } = await startServer();
  const socket = connect(socketPath);
  onTestFinished(() => void socket.destroy());
  socket.write("GET /v1/stats HTTP/1.1\r\nhost: x\r\n\r\n");
  const closed = server.close(1000, { serveAccepted: true });
  // A timer of the server that is late must not be in the way.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  const reply = await text(socket);
  expect(reply).toMatch(/^HTTP\/1\.1 200 /);
  expect(reply.toLowerCase()).toContain("connection: close");
  await closed;
  expect(existsSync(socketPath)).toBe(false);
});
