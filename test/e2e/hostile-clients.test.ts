import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const config = { target_path: "/src" };
const post = (length: number) =>
  `POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** A connection that is gone when the test ends; whatever happens to it is no error. */
async function connection(socketPath: string): Promise<Socket> {
  const socket = connect(socketPath);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket;
}

function connections(socketPath: string, count: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => connection(socketPath)));
}

function descriptors({ pid }: DaemonProcess): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The connections of its own client are not counted. */
async function expectDescriptors(daemon: DaemonProcess, atMost: number): Promise<void> {
  daemon.client.close();
  await eventually(() => expect(descriptors(daemon)).toBeLessThanOrEqual(atMost));
}

test("a body that drips is cut off at the timeout, with a reason, and its connection closed", async () => {
  const daemon = await startDaemon({ config: "limits: { request_timeout: 1s }" });
  const before = descriptors(daemon);
  const dripping = await connections(daemon.socket, 20);
  const replies = dripping.map((socket) => {
    socket.write(post(10_000));
    const drip = setInterval(() => socket.write("x"), 50);
    socket.once("close", () => clearInterval(drip));
    return text(socket).catch((error: Error) => error.message);
  });
  await daemon.client.createSession({ session_id: "meanwhile", config });
  for (const reply of await Promise.all(replies)) expect(reply).toMatch(/^HTTP\/1\.1 408 |ECONNRESET|EPIPE/);
  await expectDescriptors(daemon, before);
});

test("a thousand connections that say nothing do not hinder a checkpoint", async () => {
  const daemon = await startDaemon();
  const { client } = daemon;
  await client.createSession({ session_id: "a", config });
  const before = descriptors(daemon);
  const idle = await connections(daemon.socket, 1000);
  await eventually(() => expect(descriptors(daemon)).toBeGreaterThan(1000));
  const files = Array.from({ length: 30 }, (_, number) => `f${number}`);
  for (let done = 1; done <= files.length; done++) {
    const checkpoint = { processed_files: files.slice(0, done), pending_files: files.slice(done) };
    // Only the limit on a single one: the machine may be busy.
    await client.checkpointSession("a", checkpoint, { timeoutMs: 3000 });
  }
  for (const socket of idle) socket.destroy();
  await expectDescriptors(daemon, before);
});

test("above the limit those that never sent anything make room, and everybody is served", async () => {
  const daemon = await startDaemon({ config: "limits: { connections: 20 }" });
  await daemon.client.getInfo();
  const others = await connections(daemon.socket, 40);
  const closed = new Set<Socket>();
  for (const socket of others) {
    socket.once("close", () => closed.add(socket));
    socket.resume();
  }
  // One of the 20 is the client's own, which goes on being served.
  await eventually(() => expect(closed.size).toBeGreaterThanOrEqual(21));
  await daemon.client.createSession({ session_id: "a", config });
  expect(daemon.stderr()).toContain("too many connections");
  daemon.client.close();
  for (const socket of others) socket.destroy();
  await eventually(() => daemon.client.getSession("a"));
});

test("with few descriptors, clients cannot take those that writing needs", async () => {
  const daemon = await startDaemon({ wrap: ["bash", "-c", 'ulimit -n 256; exec "$0" "$@"'] });
  await daemon.client.createSession({ session_id: "a", config });
  const callers = Array.from({ length: 20 }, (_, caller) => caller);
  // These have their connections before the others come.
  await Promise.all(callers.map(() => daemon.client.getStats()));
  const others = await connections(daemon.socket, 400);
  for (const socket of others) socket.resume();
  await Promise.all(
    callers.map(async (caller) => {
      for (const file of ["x", "y", "z"]) {
        await daemon.client.reportProgress("a", { processed: [`${caller}${file}`] });
        await daemon.client.createSession({ session_id: `${caller}${file}`, config });
      }
    }),
  );
  expect((await daemon.client.getSummary("a")).processed_count).toBe(60);
  expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
});

const garbage: Buffer[] = [
  ...Array.from({ length: 20 }, () => randomBytes(2000)),
  "\0".repeat(100),
  "\r\n\r\n\r\n",
  "GET",
  "GET / HTTP/9.9\r\n\r\n",
  "GET /v1/info HTTP/1.1\r\n\r\n",
  `GET /${"x".repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
  `GET /v1/info HTTP/1.1\r\nhost: x\r\n${"a: b\r\n".repeat(5000)}\r\n`,
  "GET /v1/sessions/%ff%fe HTTP/1.1\r\nhost: x\r\n\r\n",
  "GET /v1/sessions/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  `${post(5)}{"a":`,
  `${post(2)}{}${post(2)}[]`,
  `${post(20)}${"[".repeat(20)}`,
  "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
  "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
  "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
  "GET /v1/info HTTP/1.1\r\nhost: x\r\nupgrade: sessiond-channel/1\r\nconnection: upgrade\r\n\r\n",
  "GET /v1/info HTTP/1.1\r\nhost: x\r\nexpect: 200-maybe\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
].map((bytes) => Buffer.from(bytes));

async function throwGarbage(daemon: DaemonProcess): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      garbage.map(async (bytes, number) => {
        const socket = await connection(daemon.socket);
        const reply = text(socket).catch(() => "");
        // Some hang up rudely before the answer, some politely after it.
        if ((number + round) % 2 === 0) socket.write(bytes, () => socket.destroy());
        else socket.end(bytes);
        expect(await reply).not.toMatch(/^HTTP\/1\.1 5/m);
      }),
    );
  }
}

test("garbage does no harm: no failure of the daemon, no descriptor and no memory kept", async () => {
  const daemon = await startDaemon();
  await daemon.client.createSession({ session_id: "a", config });
  await throwGarbage(daemon);
  await expectDescriptors(daemon, descriptors(daemon));
  const before = { open: descriptors(daemon), rss: (await daemon.client.getInfo()).rss_bytes };
  for (let again = 0; again < 3; again++) await throwGarbage(daemon);
  await expectDescriptors(daemon, before.open);
  const { rss_bytes } = await daemon.client.getInfo();
  // What the engine keeps for itself, but nothing that grows by the connection.
  expect(rss_bytes - before.rss).toBeLessThan(60 * 1024 * 1024);
  expect((await daemon.client.getStats()).total).toBe(1);
  expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
  expect(daemon.stderr()).not.toMatch(/"level":(50|60)/);
});
