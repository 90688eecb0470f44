import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { type RunningServer, startServer } from "../running-server.ts";
import { askToAttach, attachHead, attachWorker } from "./channel-worker.ts";

/** Longer than a test may take: what would wait for it fails. */
const noDeadline = 3_600_000;

/** What a daemon does when it is told to stop. */
async function stop({ server, store }: RunningServer): Promise<void> {
  await server.close(5000);
  await store.close();
}

test("a daemon that stops answers what was sent, tells its workers to come back, and the next one lets them", async () => {
  const first = await startServer({ worker: { reattachGraceMs: 60_000 } });
  const files = Array.from({ length: 200 }, (_, at) => `f${at}`);
  await first.create("s", files);
  const worker = await attachWorker(first.socketPath, "s", { worker: "w" });
  for (const [at, file] of files.slice(0, 100).entries()) {
    worker.send({ type: "progress", seq: at + 1, processed: [file] });
  }
  // All came in one piece: the daemon has them all when it answers the first.
  await worker.message("ack");
  const stopping = stop(first);
  expect(await worker.closed).toMatchObject({ code: "shutting_down" });
  expect(worker.messages.at(-1)).toMatchObject({ type: "ack", seq: 100 });
  await stopping;

  const { memory } = first.store;
  const second = await startServer({ memory, worker: { reattachGraceMs: 60_000 } });
  expect(jsonOf(await second.call("GET", "/v1/sessions/s/summary"))).toMatchObject({
    status: "running",
    processed_count: 100,
    workers: [{ name: "w", epoch: worker.epoch, connected: false }],
  });
  await expect(attachWorker(second.socketPath, "s")).rejects.toMatchObject({ body: { code: "lease_held" } });
  await expect(attachWorker(second.socketPath, "s", { token: String(worker.epoch) })).rejects.toMatchObject({
    body: { code: "lease_lost" },
  });
  const again = await attachWorker(second.socketPath, "s", { token: worker.token });
  expect(again.epoch).toBeGreaterThan(worker.epoch);
  expect(again.session.processed_files).toEqual(files.slice(0, 100));
  expect(await again.report(1, { processed: ["f100"] })).toMatchObject({ type: "ack" });
});

test("whom the last daemon left and who does not come back is lost, and a deleted session's lease just ends", async () => {
  const first = await startServer({ worker: { reattachGraceMs: 60_000 } });
  await first.create("s");
  await first.create("t");
  await attachWorker(first.socketPath, "s");
  await attachWorker(first.socketPath, "t");
  await stop(first);
  const { memory } = first.store;
  const second = await startServer({ memory, worker: { reattachGraceMs: 100, onLost: "pause" } });
  await second.call("DELETE", "/v1/sessions/t?force=true");
  await eventually(async () => expect(await second.store.leases.all()).toEqual([]));
  expect(await second.store.summary("s" as never)).toMatchObject({ status: "paused" });
});

test("workers do not keep a server from closing, whatever they are doing", async () => {
  const { server, socketPath, create } = await startServer();
  for (const id of ["idle", "stopped", "busy", "late"]) await create(id);
  const idle = await attachWorker(socketPath, "idle");
  // One that answers nothing any more, not even the end of the connection.
  const stopped = await attachWorker(socketPath, "stopped");
  stopped.socket.pause();
  const busy = await attachWorker(socketPath, "busy");
  let seq = 0;
  const chatter = () => {
    if (!busy.isOpen) return;
    busy.send({ type: "progress", seq: ++seq, processed: [`f${seq}`] });
    setImmediate(chatter);
  };
  chatter();
  const closing = server.close(noDeadline);
  const late = askToAttach(socketPath, "late", {});
  late.on("error", () => {});
  await Promise.all([closing, new Promise((resolve) => late.on("close", resolve))]);
  expect(await idle.closed).toMatchObject({ code: "shutting_down" });
  expect(await busy.closed).toMatchObject({ code: "shutting_down" });
  expect(existsSync(socketPath)).toBe(false);
  stopped.socket.resume();
  expect(await stopped.closed).toMatchObject({ code: "shutting_down" });
  expect(busy.messages.at(-1)).toMatchObject({ type: "ack" });
});

test("a worker that asks while the daemon is stopping is refused, and holds nothing", async () => {
  const { server, socketPath, create, store } = await startServer();
  await create("s");
  const early = connect(socketPath);
  await once(early, "connect");
  const closing = server.close(noDeadline);
  await eventually(() => expect(existsSync(socketPath)).toBe(false));
  early.write(attachHead("s"));
  const refused = await text(early);
  expect(refused).toMatch(/^HTTP\/1.1 503 /);
  expect(refused).toContain('"code":"shutting_down"');
  await closing;
  expect(await store.leases.all()).toEqual([]);
});
