import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { jsonOf } from "../../support/http.ts";
import { startServer } from "../running-server.ts";
import { upgradeHeaders } from "./channel-worker.ts";

const offer = "GET /v1/stats HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
const upgrade = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABk" };

test("a request that offers another protocol is answered as the plain request that it also is", async () => {
  const { call } = await startServer();
  const json = { session_id: "s", config: { target_path: "/src" }, pending_files: ["é".repeat(300_000)] };
  const created = await call("POST", "/v1/sessions", { json, headers: upgrade });
  expect(created.status, created.text).toBe(201);
  const read = await call("GET", "/v1/sessions/s", { headers: upgrade });
  expect([read.status, jsonOf(read).pending_files]).toEqual([200, json.pending_files]);
  const known = { ...upgrade, "if-none-match": read.headers.etag as string };
  expect((await call("GET", "/v1/sessions/s", { headers: known })).status).toBe(304);
  expect((await call("GET", "/v1/nothing", { headers: upgrade })).status).toBe(404);
});

test("its connection goes on afterwards", async () => {
  const { socketPath } = await startServer();
  const socket = connect(socketPath);
  socket.write(offer);
  await once(socket, "readable");
  socket.write("GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect((await text(socket)).match(/HTTP\/1.1 200 /g)).toHaveLength(2);
});

test("an offer behind a request that is not answered yet harms nobody", async () => {
  const { socketPath, call, create, store } = await startServer();
  await create("s");
  for (const path of ["/v1/stats", "/v1/sessions/s/attach"]) {
    const socket = connect(socketPath);
    const second = offer.replace("/v1/stats", path).replace("h2c", "sessiond-channel/1");
    socket.write(`GET /v1/sessions/s/summary HTTP/1.1\r\nhost: x\r\n\r\n${second}${offer}`);
    // Answered or hung up on: which of them is for Node to say.
    await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
    socket.destroy();
  }
  expect((await call("GET", "/v1/health")).status).toBe(200);
  expect(await store.leases.all()).toEqual([]);
});

test("a channel where there is none is answered in HTTP", async () => {
  const { call } = await startServer();
  for (const [path, status] of [
    ["/v1/stats", 200],
    ["/v1/nothing", 404],
  ] as const) {
    expect((await call("GET", path, { headers: upgradeHeaders })).status).toBe(status);
  }
});
