/** Entity tags over a crash of the daemon. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { http, jsonOf } from "../support/http.ts";

const path = "/v1/sessions/s";

test("a tag of a document without generation matches nothing that is found after a kill", async () => {
  const first = await startDaemon();
  const document = (value: string) => ({
    session_id: "s",
    status: "paused",
    config: { target_path: "/src" },
    processed_files: [],
    pending_files: ["a"],
    partial_results: { a: value },
    checkpoint_time: "2026-01-02T03:04:05Z",
  });
  const write = (value: string) =>
    writeFileSync(join(first.sessionsDir, "s.json"), JSON.stringify(document(value)));
  write("before");
  await eventually(async () => expect((await http(first.socket, "GET", path)).status).toBe(200));
  const old = (await http(first.socket, "GET", path)).headers.etag as string;
  first.kill("SIGKILL");
  await first.exited;
  write("after");
  const { socket } = await first.restart();
  const save = { json: document("before"), headers: { "if-match": old } };
  expect((await http(socket, "PUT", path, save)).status).toBe(412);
  expect((await http(socket, "GET", path, { headers: { "if-none-match": old } })).status).toBe(200);
  expect(jsonOf(await http(socket, "GET", path))).toMatchObject({ partial_results: { a: "after" } });
});
