import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ProcessFacts, processFacts } from "../../../src/host/process-facts.ts";
import { ownIdentity } from "../../../src/host/process-identity.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { type RunningServer, startServer, startServerIn } from "../running-server.ts";
import { attachWorker, type Refused } from "./channel-worker.ts";

/** Long enough for a test to do something within it. */
const longGrace = { reattachGraceMs: 60_000 };
const shortGrace = { reattachGraceMs: 30 };

async function refusal(attaching: Promise<unknown>): Promise<string> {
  const error = await attaching.then(
    () => undefined,
    (thrown: Refused) => thrown,
  );
  return `${error?.status} ${error?.body.code}: ${error?.body.detail}`;
}

async function summaryOf({ call }: Pick<RunningServer, "call">, id: string) {
  return jsonOf(await call("GET", `/v1/sessions/${id}/summary`));
}

test("of many that want a session at once, one has it", async () => {
  const { socketPath, create } = await startServer();
  await create("s");
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => attachWorker(socketPath, "s")));
  expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const tried of tries) {
    if (tried.status === "rejected") expect(tried.reason.body.code).toBe("lease_held");
  }
});

test("a worker that was killed with a report on its way is lost, and not attached", async () => {
  const { socketPath, create, call, store } = await startServer({ worker: longGrace });
  await create("s", ["a"]);
  const worker = await attachWorker(socketPath, "s");
  let write = () => {};
  const disk = new Promise<void>((resolve) => {
    write = resolve;
  });
  const { report } = store;
  store.report = async (...args) => {
    await disk;
    return report.apply(store, args);
  };
  worker.send({ type: "progress", seq: 1, processed: ["a"] });
  worker.socket.end();
  const workers = async () => (await summaryOf({ call }, "s")).workers;
  await eventually(async () => expect(await workers()).toMatchObject([{ connected: false }]));
  const again = refusal(attachWorker(socketPath, "s"));
  // The request comes before the answer to the report.
  for (let turn = 0; turn < 500; turn++) await setImmediate();
  write();
  expect(await again).toContain("lost its connection");
  expect(await summaryOf({ call }, "s")).toMatchObject({ processed_count: 1 });
});

test("as long as there is a worker, others may not report, and may do everything else", async () => {
  const server = await startServer({ worker: longGrace });
  const { socketPath, create, call } = server;
  await create("s", ["a", "b"]);
  const session = jsonOf(await call("GET", "/v1/sessions/s"));
  const backup = jsonOf(await call("POST", "/v1/sessions/s/backup")).backup;
  const worker = await attachWorker(socketPath, "s", { worker: "w" });
  const refusedToAll = async () => {
    for (const [method, path, json] of [
      ["POST", "/progress", { processed: ["a"] }],
      ["POST", "/checkpoint", { processed_files: [], pending_files: [] }],
      ["PUT", "", session],
      ["POST", "/restore", { backup }],
      ["DELETE", "", undefined],
    ] as const) {
      const reply = await call(method, `/v1/sessions/s${path}`, json === undefined ? {} : { json });
      expect([reply.status, jsonOf(reply).code], `${method} ${path}`).toEqual([409, "lease_held"]);
      expect(jsonOf(reply).detail).toContain('"w"');
    }
  };
  await refusedToAll();
  for (const verb of ["pause", "resume", "complete", "reopen", "fail", "reopen", "backup", "validate"]) {
    expect((await call("POST", `/v1/sessions/s/${verb}`)).status, verb).toBeLessThan(300);
  }
  expect((await call("PATCH", "/v1/sessions/s", { json: { labels: { a: "b" } } })).status).toBe(200);
  expect(await worker.report(1, { processed: ["a"] })).toMatchObject({ type: "ack" });
  worker.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server, "s")).workers).toMatchObject([{ connected: false }]),
  );
  await refusedToAll();
  const forced = await call("DELETE", "/v1/sessions/s?force=true");
  expect(forced.status).toBe(200);
  expect(await server.store.leases.all()).toEqual([]);
});

test("a worker whose process is killed is noticed at once, and what it reported is kept", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s", ["a", "b"]);
  const script = join(import.meta.dirname, "worker-process.mjs");
  const child = spawn(process.execPath, [script, server.socketPath, "s"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [acked] = await once(child.stdout, "data");
  expect(JSON.parse(acked)).toMatchObject({ type: "ack", seq: 1 });
  expect((await summaryOf(server, "s")).workers).toMatchObject([{ name: "process", connected: true }]);
  child.kill("SIGKILL");
  await eventually(async () =>
    expect((await summaryOf(server, "s")).workers).toMatchObject([{ connected: false }]),
  );
  expect(await summaryOf(server, "s")).toMatchObject({ status: "running", processed_count: 1 });
});

test("a worker that lost its connection comes back with its token, under an epoch that is a new one each time", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s", ["a", "b", "c"]);
  const first = await attachWorker(server.socketPath, "s", { worker: "w" });
  await first.report(1, { processed: ["a"] });
  first.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server, "s")).workers).toMatchObject([{ connected: false }]),
  );
  const stranger = await refusal(attachWorker(server.socketPath, "s"));
  expect(stranger).toMatch(/^409 lease_held: .*"w".*may reconnect until \d{4}-\d\d-\d\dT[\d:.]+Z/);
  expect(await refusal(attachWorker(server.socketPath, "s", { token: String(first.epoch) }))).toMatch(
    /^409 lease_lost/,
  );

  const second = await attachWorker(server.socketPath, "s", { token: first.token });
  expect(second.token).toBe(first.token);
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect(second.session).toMatchObject({ processed_files: ["a"], pending_files: ["b", "c"] });
  expect((await summaryOf(server, "s")).workers).toMatchObject([
    { name: "w", epoch: second.epoch, connected: true },
  ]);
  expect(await second.report(1, { processed: ["b"] })).toMatchObject({ type: "ack" });
});

test("whoever knows the epoch, which everybody does, does not get the lease", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s", ["a", "b"]);
  const worker = await attachWorker(server.socketPath, "s", { worker: "w" });
  const steal = async () => {
    const [{ epoch }] = (await summaryOf(server, "s")).workers as [{ epoch: number }];
    for (const guess of [epoch, epoch + 1, epoch - 1]) {
      const { socketPath } = server;
      expect(await refusal(attachWorker(socketPath, "s", { query: `epoch=${guess}` }))).toMatch(/^400 /);
      expect(await refusal(attachWorker(socketPath, "s", { token: `${guess}` }))).toMatch(/^409 lease_lost/);
    }
  };
  await steal();
  expect(await worker.report(1, { processed: ["a"] })).toMatchObject({ type: "ack" });
  worker.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server, "s")).workers).toMatchObject([{ connected: false }]),
  );
  await steal();
  expect(await (await attachWorker(server.socketPath, "s", worker)).report(1)).toMatchObject({ type: "ack" });
});

test("coming back while the old connection is still open closes that one, and its late reports are not kept", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s", ["a", "b"]);
  const old = await attachWorker(server.socketPath, "s");
  const renewed = attachWorker(server.socketPath, "s", { token: old.token });
  expect(await old.closed).toMatchObject({ code: "lease_lost" });
  const worker = await renewed;
  expect(await worker.report(1, { processed: ["a"] })).toMatchObject({ type: "ack" });
  await expect(
    server.store.report("s" as never, { processed: ["b"] }, { epoch: old.epoch }),
  ).rejects.toMatchObject({ code: "lease_lost" });
  expect(await summaryOf(server, "s")).toMatchObject({ processed_count: 1, workers: [{ connected: true }] });
});

test("a worker that never heard of its new epoch may come back all the same", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s");
  const first = await attachWorker(server.socketPath, "s");
  first.socket.destroy();
  const second = await attachWorker(server.socketPath, "s", { token: first.token });
  second.socket.destroy();
  const third = await attachWorker(server.socketPath, "s", { token: first.token });
  expect(third.epoch).toBeGreaterThan(second.epoch);
  expect(await third.report(1)).toMatchObject({ type: "ack" });
});

test.each([
  ["pause", "running", "paused"],
  ["fail", "running", "failed"],
  ["leave", "running", "running"],
  ["pause", "completed", "completed"],
  ["fail", "completed", "completed"],
  ["fail", "paused", "paused"],
] as const)(
  "on_lost: %s makes of a %s session a %s one, when the grace is over",
  async (onLost, from, to) => {
    const server = await startServer({ worker: { ...shortGrace, onLost } });
    const { socketPath, create, call } = server;
    await create("s", ["a", "b"]);
    const worker = await attachWorker(socketPath, "s", { worker: "w" });
    await worker.report(1, { processed: ["a"] });
    if (from !== "running") await call("POST", `/v1/sessions/s/${from === "paused" ? "pause" : "complete"}`);
    worker.socket.destroy();
    await eventually(async () => expect(await server.store.leases.all()).toEqual([]));
    const summary = await summaryOf(server, "s");
    expect(summary).toMatchObject({ status: to, processed_count: 1, workers: [] });
    if (from !== to) expect(summary.status_reason).toMatch(/"w" was lost/);
    else expect(summary.status_reason).toBeNull();
    expect(await refusal(attachWorker(socketPath, "s", { token: worker.token }))).toMatch(/^409 lease_lost/);
    const next = await attachWorker(socketPath, "s");
    expect(await refusal(attachWorker(socketPath, "s", { token: worker.token }))).toMatch(/^409 lease_lost/);
    expect(next.epoch).toBeGreaterThan(worker.epoch);
  },
);

test("a worker that comes back in time loses nothing, however often", async () => {
  const server = await startServer({ worker: { reattachGraceMs: 400, onLost: "fail" } });
  await server.create("s");
  let { socket, epoch, token } = await attachWorker(server.socketPath, "s");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  for (let times = 0; times < 5; times++) {
    socket.destroy();
    while (jsonOf(await server.call("GET", "/v1/info")).workers !== 0) await setImmediate();
    vi.advanceTimersByTime(300);
    ({ socket, epoch, token } = await attachWorker(server.socketPath, "s", { token }));
    vi.advanceTimersByTime(300);
  }
  expect(await summaryOf(server, "s")).toMatchObject({
    status: "running",
    workers: [{ connected: true, epoch }],
  });
});

test("another grace and another on_lost count for workers that are lost already", async () => {
  const server = await startServer({ worker: longGrace });
  await server.create("s");
  const worker = await attachWorker(server.socketPath, "s");
  worker.socket.destroy();
  await eventually(async () =>
    expect((await summaryOf(server, "s")).workers).toMatchObject([{ connected: false }]),
  );
  server.server.configure({ reattachGraceMs: 0, onLost: "fail" });
  await eventually(async () =>
    expect(await summaryOf(server, "s")).toMatchObject({ status: "failed", workers: [] }),
  );
});

/** A process that is there until it is killed, and its identity. */
async function livingProcess() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  const { startTime } = processFacts(child.pid as number) as ProcessFacts;
  const place = (ownIdentity() as string).split("/").slice(0, 2).join("/");
  const end = async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { identity: `${place}/${child.pid}/${startTime}`, end };
}

describe("a worker whose process has ended", () => {
  test("is not waited for", async () => {
    const server = await startServer({ worker: longGrace });
    const { socketPath, create } = server;
    await create("s");
    const { identity, end } = await livingProcess();
    const worker = await attachWorker(socketPath, "s", { worker: "w", process: identity });
    worker.socket.destroy();
    await eventually(async () => {
      expect((await summaryOf(server, "s")).workers).toMatchObject([{ name: "w", connected: false }]);
    });
    // As long as it is there, it may reconnect.
    expect(await refusal(attachWorker(socketPath, "s"))).toContain("may reconnect until");
    await end();
    await eventually(async () => {
      const { workers, status, status_reason } = await summaryOf(server, "s");
      expect([workers, status, status_reason]).toEqual([
        [],
        "paused",
        'the worker "w" was lost: its process ended',
      ]);
    });
    await attachWorker(socketPath, "s");
  });

  test("is not waited for after a restart of the daemon either", async () => {
    const first = await startServerIn({ worker: longGrace });
    await first.create("s");
    const { identity, end } = await livingProcess();
    await attachWorker(first.socketPath, "s", { worker: "w", process: identity });
    await first.server.close(5000);
    await first.store.close();
    await end();
    const second = await startServerIn({ directory: first.directory, worker: longGrace });
    await eventually(async () => expect((await summaryOf(second, "s")).workers).toEqual([]));
  });

  test("must say which one it is in the right form", async () => {
    const { socketPath, create } = await startServer();
    await create("s");
    const attaching = attachWorker(socketPath, "s", { process: "1234" });
    expect(await refusal(attaching)).toMatch(/^400 invalid_request: .*BOOT\/NAMESPACE\/PID\/START/);
  });
});
