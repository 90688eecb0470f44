import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempDir } from "../support/temp-dir.ts";
import { startCommand } from "./in-process.ts";

const session = {
  session_id: "s",
  status: "running",
  status_reason: null,
  target_path: "/src",
  checkpoint_time: "2026-01-02T03:04:05.000000Z",
  created_time: null,
  generation: null,
  revision: 1,
  labels: {},
  pinned: false,
  processed_count: 0,
  pending_count: 0,
  bytes: 1,
  workers: [],
};

/** A daemon that has two sessions, and does not count those that match. */
async function run(...args: string[]) {
  const server = createServer((request, response) => {
    const second = request.url?.includes("cursor=more");
    const page = { sessions: [session], next_cursor: second ? null : "more", total: null };
    const reply = request.url?.startsWith("/v1/sessions") ? page : { problems: [] };
    response.setHeader("content-type", "application/json").end(JSON.stringify(reply));
  });
  const socket = join(await tempDir(), "s.sock");
  await once(server.listen(socket), "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    await once(server.close(), "close");
  });
  return startCommand(args, { env: { ...process.env, SESSIOND_SOCKET: socket } }).ended;
}

test("a page of sessions that are too many to count says how many it shows", async () => {
  const { code, stdout, stderr } = await run("list", "--limit", "1");
  expect(code).toBe(0);
  expect(stdout).toContain("s   running");
  expect(stderr).toBe("1 session; for more, add --cursor more\n");
});

test("whoever gets all pages knows how many sessions there are", async () => {
  const { stdout } = await run("list", "--json");
  expect(JSON.parse(stdout)).toEqual({ sessions: [session, session], next_cursor: null, total: 2 });
});
