import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Route, routes } from "../../src/contract/routes.ts";
import { http, jsonOf } from "../support/http.ts";
import { tempDir } from "../support/temp-dir.ts";
import { startServer } from "./running-server.ts";

test("the second socket reads everything and changes nothing", async () => {
  const readOnlyPath = join(await tempDir(), "read.sock");
  const { server, call, create, store, socketPath } = await startServer({ readOnlyPath });
  expect([statSync(socketPath).mode & 0o777, statSync(readOnlyPath).mode & 0o777]).toEqual([0o600, 0o666]);
  await create("a", ["x"]);
  const before = await call("GET", "/v1/sessions/a");
  const read = (method: string, path: string, headers?: Record<string, string>) =>
    http(readOnlyPath, method, path, headers === undefined ? {} : { headers });

  expect((await read("GET", "/v1/sessions/a")).text).toBe(before.text);
  expect((await read("HEAD", "/v1/sessions/a")).status).toBe(200);
  for (const { method, path } of Object.values(routes) as Route[]) {
    const reply = await read(method, path.replace("{id}", "a"));
    if (method === "GET") expect([path, reply.status < 400]).toEqual([path, true]);
    else {
      expect([method, path, reply.status, reply.headers.allow]).toEqual([method, path, 405, "GET, HEAD"]);
      expect(jsonOf(reply)).toMatchObject({
        code: "invalid_request",
        detail: expect.stringContaining("this socket is read-only"),
      });
    }
  }
  // Nor does a connection become a channel, over which anything could be said.
  const upgrade = { connection: "Upgrade", upgrade: "sessiond-channel/1" };
  expect((await read("GET", "/v1/sessions/a/attach", upgrade)).status).toBe(405);
  expect((await call("GET", "/v1/sessions/a")).text).toBe(before.text);
  expect((await store.stats()).total).toBe(1);

  await server.close(1000);
  expect([existsSync(socketPath), existsSync(readOnlyPath)]).toEqual([false, false]);
});

test("a server that gets only one of its sockets gives it back", async () => {
  const first = await startServer();
  const readOnlyPath = join(await tempDir(), "read.sock");
  await expect(startServer({ socketPath: first.socketPath, readOnlyPath })).rejects.toMatchObject({
    code: "socket_in_use",
  });
});
