import { expect, test } from "vitest";
import { type Route, type RouteName, routes } from "../../src/contract/routes.ts";
import { type HttpCall, jsonOf } from "../support/http.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { startServer } from "./running-server.ts";

const config = { target_path: "/src" };

/**
 * A valid call of each endpoint, in an order in which each finds what it needs. The test fills in what is in
 * braces.
 */
const calls: [name: RouteName, path: string, call?: HttpCall][] = [
  ["createSession", "/v1/sessions", { json: { session_id: "s", config, pending_files: ["a", "b"] } }],
  ["listSessions", "/v1/sessions?status=running&limit=10"],
  ["getStats", "/v1/stats"],
  ["getSession", "/v1/sessions/s"],
  ["getSummary", "/v1/sessions/s/summary"],
  ["listFiles", "/v1/sessions/s/files"],
  ["reportProgress", "/v1/sessions/s/progress", { json: { processed: ["a"], results: { a: 1 } } }],
  ["requeueFiles", "/v1/sessions/s/requeue", { json: { files: ["a"] } }],
  ["listResults", "/v1/sessions/s/results"],
  ["checkpointSession", "/v1/sessions/s/checkpoint", { json: { processed_files: ["a"], pending_files: [] } }],
  ["evictWorker", "/v1/sessions/s/workers/{epoch}"],
  ["pauseSession", "/v1/sessions/s/pause"],
  ["resumeSession", "/v1/sessions/s/resume"],
  ["completeSession", "/v1/sessions/s/complete"],
  ["failSession", "/v1/sessions/s/fail"],
  ["reopenSession", "/v1/sessions/s/reopen"],
  ["editSession", "/v1/sessions/s", { json: { labels: { team: "a" } } }],
  ["createBackup", "/v1/sessions/s/backup"],
  ["listBackups", "/v1/sessions/s/backups"],
  ["restoreBackup", "/v1/sessions/s/restore", { json: { backup: "{backup}" } }],
  ["validateSession", "/v1/sessions/s/validate"],
  ["recoverSession", "/v1/sessions/s/recover"],
  ["saveSession", "/v1/sessions/s", { json: "{session}" }],
  ["getCleanup", "/v1/cleanup?due=true"],
  ["runCleanup", "/v1/cleanup/completed", { json: { dry_run: true, keep_recent: 0 } }],
  ["getCleanupHistory", "/v1/cleanup/history?limit=5&session_id=s"],
  ["deleteSession", "/v1/sessions/s"],
  ["listTrash", "/v1/trash"],
  ["restoreTrash", "/v1/trash/s/restore"],
  ["emptyTrash", "/v1/trash?older_than=1d"],
  ["getInfo", "/v1/info"],
  ["getHealth", "/v1/health"],
  ["reload", "/v1/reload"],
  ["stopDaemon", "/v1/stop", { json: { force: true } }],
  ["getOpenApi", "/v1/openapi.json"],
];

test("every endpoint answers what its row of the table promises", async () => {
  const { call, socketPath } = await startServer({ daemon: { onDemand: { idleExitMs: 1000, stop() {} } } });
  expect(new Set(calls.map(([name]) => name))).toEqual(new Set(Object.keys(routes)));
  let backup: unknown;
  let session: unknown;
  for (const [name, path, given = {}] of calls) {
    const json = name === "restoreBackup" ? { backup } : name === "saveSession" ? session : given.json;
    const route: Route = routes[name];
    const worker = name === "evictWorker" ? await attachWorker(socketPath, "s") : undefined;
    const reply = await call(
      route.method,
      path.replace("{epoch}", String(worker?.epoch)),
      json === undefined ? {} : { json },
    );
    expect(reply.status, `${name}: ${reply.text}`).toBe(route.status ?? 200);
    expect(reply.headers["content-type"], name).toBe("application/json; charset=utf-8");
    expect(route.reply.safeParse(jsonOf(reply)).error, name).toBeUndefined();
    if (name === "createBackup") backup = jsonOf(reply).backup;
    if (name === "getSession") session = jsonOf(reply);
  }
});

test("storage that has failed makes the daemon unhealthy, and other problems only degraded", async () => {
  const problem = { message: "m", hint: "h", session_id: null };
  const { call, store } = await startServer();
  store.faults.problems = [{ ...problem, code: "watcher_degraded" }];
  const degraded = await call("GET", "/v1/health");
  expect([degraded.status, jsonOf(degraded).status]).toEqual([200, "degraded"]);
  store.faults.problems = [{ ...problem, code: "storage_failed" }];
  const failed = await call("GET", "/v1/health");
  expect([failed.status, jsonOf(failed).status]).toEqual([503, "failed"]);
});

test("info tells the facts of the daemon", async () => {
  const { call, socketPath, create, store } = await startServer();
  await create("s");
  expect(jsonOf(await call("GET", "/v1/info"))).toMatchObject({
    name: "sessiond",
    version: "1.2.3",
    protocol_version: 1,
    pid: process.pid,
    store: await store.facts(),
    socket: socketPath,
    sessions: 1,
    config_file: null,
  });
});
