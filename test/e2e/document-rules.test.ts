/**
 * What a document may hold, before the real daemon: requests with faults are refused, documents of other
 * programs with the same faults are served, diagnosed, and can be changed in any other way.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SessionManager } from "../../src/client/manager/session-manager.ts";
import type { Session } from "../../src/session/session.ts";
import { startCommand } from "../cli/in-process.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { http, jsonOf } from "../support/http.ts";
import { tempDir } from "../support/temp-dir.ts";
import { documentOf } from "./directory.ts";

const config = { target_path: "/src" };
const manyLabels = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`k${at}`, "v"]));

/** By the place that each names. */
const refusals: readonly [method: string, path: string, body: object, place: string][] = [
  ["POST", "", { session_id: "new", config, pending_files: ["a", "b", "a"] }, "pending_files[2]"],
  ["POST", "", { session_id: "new", config, labels: manyLabels }, "labels"],
  ["POST", "", { session_id: "new", config: { ...config, file_patterns: [] } }, "config.file_patterns"],
  [
    "PUT",
    "/new",
    documentOf("new", { processed_files: ["a"], pending_files: ["b", "a"] }),
    "pending_files[1]",
  ],
  ["PUT", "/s", documentOf("s", { processed_files: ["x", "x"] }), "processed_files[1]"],
  ["PUT", "/s", documentOf("s", { config: { ...config, file_patterns: ["", " "] } }), "config.file_patterns"],
  ["POST", "/s/checkpoint", { processed_files: ["a"], pending_files: ["a"] }, "pending_files[0]"],
  ["PATCH", "/s", { labels: { a: "v".repeat(1025) }, pinned: true }, 'labels["a"]'],
];

test("a request with a fault is refused, names its place, and changes nothing", async () => {
  const { client, socket, sessionsDir } = await startDaemon();
  await client.createSession({ session_id: "s", config, pending_files: ["a", "b"] });
  const before = await client.getSession("s");
  for (const [method, path, body, place] of refusals) {
    const reply = await http(socket, method, `/v1/sessions${path}`, { json: body });
    expect([method, path, reply.status, jsonOf(reply).code]).toEqual([method, path, 400, "invalid_request"]);
    expect(jsonOf(reply).issues).toMatchObject([{ path: place }]);
    expect(jsonOf(reply).detail).toContain(place);
  }
  expect(await client.getSession("s")).toEqual(before);
  expect(await client.getStats()).toMatchObject({ total: 1 });

  const file = join(await tempDir(), "faulty.json");
  await writeFile(file, JSON.stringify(documentOf("other", { pending_files: ["a", "a"] })));
  const imported = await startCommand(["--socket", socket, "import", file]).ended;
  expect(imported).toMatchObject({ code: 2, stdout: "" });
  expect(imported.stderr).toContain('pending_files[1]: "a" is in pending_files twice; name each file once');

  const embedded = new SessionManager({ sessionsDir: join(sessionsDir, "embedded") });
  onTestFinished(() => embedded.close());
  await embedded.createSession(config, { session_id: "s" });
  for (const call of [
    () => embedded.createSession(config, { pending_files: ["a", "a"] }),
    () => embedded.createSession({ ...config, file_patterns: [] }),
    () => embedded.saveSession(documentOf("s", { processed_files: ["a"], pending_files: ["a"] })),
    () => embedded.checkpoint("s", ["a"], ["a"]),
  ])
    await expect(call()).rejects.toMatchObject({ code: "invalid_request", issues: [{ path: /_/ }] });
  expect(await embedded.getSessionCount()).toBe(1);
});

test("a report may name a file again", async () => {
  const { client } = await startDaemon();
  await client.createSession({ session_id: "s", config, pending_files: ["a", "b"] });
  await client.reportProgress("s", { processed: ["a", "a"], added: ["a", "b", "c", "c"] });
  await client.reportProgress("s", { processed: ["a"], added: ["c", "a"] });
  expect(await client.getSession("s")).toMatchObject({ processed_files: ["a"], pending_files: ["b", "c"] });
});

test("a document of another program with such faults is kept, diagnosed, and can be changed", async () => {
  const dir = join(await tempDir(), "sessions");
  await mkdir(dir);
  const faulty: Session = documentOf("s", {
    config: { target_path: "<src>|x", file_patterns: [" "], seed: 1 },
    processed_files: ["a", "a"],
    pending_files: ["a", "b", "b"],
    labels: { ...manyLabels, ["long".repeat(100)]: "v".repeat(5000) },
  });
  await writeFile(join(dir, "s.json"), JSON.stringify(faulty));
  const { client, socket } = await startDaemon({ dir });
  expect(await client.getSession("s")).toMatchObject(faulty);
  const codes = (await client.validateSession("s")).findings.map(({ code }) => code);
  expect(codes).toEqual([
    "duplicate_file",
    "duplicate_file",
    "processed_and_pending",
    "no_file_patterns",
    "odd_target_path",
  ]);
  expect(await client.getSummary("s")).toMatchObject({ healthy: false });
  const validated = await startCommand(["--socket", socket, "validate", "s"]).ended;
  expect(validated.stdout).toContain("config.target_path contains <, >, | or a control character");

  await client.pauseSession("s", { reason: "lunch" });
  await client.resumeSession("s");
  await client.editSession("s", { pinned: true, labels: { k0: null, k1: "w" } });
  await expect(client.editSession("s", { labels: { more: "v" } })).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("at most 64 labels; this one would have 101"),
  });
  await client.reportProgress("s", { results: { x: 1 } });
  const { backup } = await client.createBackup("s");
  const before = await client.getSession("s");
  await client.checkpointSession("s", { processed_files: ["a"], pending_files: [] });
  await client.restoreBackup("s", backup);
  await client.deleteSession("s");
  await client.restoreTrash("s");
  const { revision: _, ...kept } = before;
  expect(await client.getSession("s")).toMatchObject(kept);
  // Saved as it is, but for the lists, which a request may not name so.
  const saved = { ...before, processed_files: ["a"], pending_files: ["b"] };
  await client.saveSession(saved);
  await expect(client.saveSession({ ...before, pinned: false })).rejects.toMatchObject({
    issues: [{ path: "processed_files[1]" }, { path: "pending_files[0]" }, { path: "pending_files[2]" }],
  });
  await client.restoreBackup("s", backup);
  await client.recoverSession("s");
  expect(await client.getSession("s")).toMatchObject({ processed_files: ["a"], pending_files: ["b"] });
  const stored = JSON.parse(await readFile(join(dir, "s.json"), "utf8"));
  expect(stored.labels).toEqual(before.labels);
});

test("a run goes on in a session that names files twice", async () => {
  const dir = join(await tempDir(), "sessions");
  await mkdir(dir);
  const faulty = documentOf("s", {
    status: "paused",
    processed_files: ["a", "a", "b"],
    pending_files: ["b", "c", "c"],
    partial_results: { a: { exit_code: 1 } },
  });
  await writeFile(join(dir, "s.json"), JSON.stringify(faulty));
  const { client, socket } = await startDaemon({ dir });
  const run = await startCommand(["--socket", socket, "run", "s", "--retry-failed", "--", "true", "{}"])
    .ended;
  expect(run, run.stderr).toMatchObject({ code: 0 });
  const { processed_files, pending_files } = await client.getSession("s");
  expect([[...processed_files].sort(), pending_files]).toEqual([["a", "b", "c"], []]);
});
