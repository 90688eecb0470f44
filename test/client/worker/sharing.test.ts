/** Workers that share a session of a real daemon, over lost connections and restarts. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { SessionClient } from "../../../src/client/session-client.ts";
import type { SharedWorkerSession } from "../../../src/client/worker/shared-worker-session.ts";
import { eventually } from "../../support/eventually.ts";
import { names, scene, servedScene, wireTo } from "./fixture.ts";

async function share(client: SessionClient, name: string): Promise<SharedWorkerSession> {
  const worker = await client.attach("a", { shared: true, worker: name });
  onTestFinished(() => worker.detach());
  return worker;
}

async function failure(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => expect.fail("it should have failed"),
    (error) => error,
  );
}

const done = { failed: 0, unacknowledged: 0, stopped: null };

it("works on each file once, while connections are lost and the daemon is restarted", async () => {
  const all = await scene();
  const files = names(800);
  await all.create("a", files.slice(0, 790));
  const wires = await Promise.all([wireTo(all.socketPath), wireTo(all.socketPath), wireTo(all.socketPath)]);
  const workers = await Promise.all(wires.map(({ client }, at) => share(client, `w${at}`)));
  const worked: string[] = [];
  let isOver = false;
  const trouble = (async () => {
    for (let at = 0; !isOver; at++) {
      const before = worked.length;
      while (!isOver && worked.length < before + 50) await sleep(1);
      if (at === 3) await all.restart();
      else wires[at % 3]?.cut();
    }
  })();
  const summaries = await Promise.all(
    workers.map((worker, at) =>
      worker.forEach(
        async (file, { add }) => {
          worked.push(file);
          if (file === files[100]) add(...files.slice(790));
          if (worked.length % 7 === 0) await sleep(1);
          return { by: at };
        },
        { concurrency: 1 + 3 * at },
      ),
    ),
  );
  isOver = true;
  await trouble;
  // Now, as the daemon that was started last ends first.
  await Promise.all(workers.map((worker) => worker.detach()));
  expect(worked.length).toBe(800);
  expect(new Set(worked).size).toBe(800);
  for (const summary of summaries) expect(summary).toEqual({ processed: expect.any(Number), ...done });
  expect(summaries.reduce((sum, { processed }) => sum + processed, 0)).toBe(800);
  const session = await all.client.getSession("a");
  expect([session.processed_files.length, session.pending_files]).toEqual([800, []]);
  expect(Object.keys(session.partial_results)).toHaveLength(800);
});

it("goes on with the files of a worker that is evicted, and with those that are requeued", async () => {
  const { client, create } = await servedScene();
  await create("a", ["x", "y", "z"]);
  const [stuck, worker] = [await share(client, "stuck"), await share(client, "w")];
  expect((await stuck.claim(2)).files).toEqual(["x", "y"]);
  const worked: string[] = [];
  const loop = worker.forEach((file) => void worked.push(file));
  await eventually(() => expect(worked).toEqual(["z"]));
  const { workers } = await client.getSummary("a");
  expect(workers).toEqual([
    expect.objectContaining({ name: "stuck", claimed: 2, shared: true, connected: true }),
    expect.objectContaining({ name: "w", claimed: 0 }),
  ]);
  await client.requeue("a", ["z"]);
  await eventually(() => expect(worked).toEqual(["z", "z"]));
  const waits = failure(stuck.claim(1));
  expect(await client.evict("a", stuck.epoch)).toEqual({ epoch: stuck.epoch, name: "stuck", released: 2 });
  expect(await loop).toEqual({ processed: 4, ...done });
  expect(worked).toEqual(["z", "z", "x", "y"]);
  expect(stuck.signal.reason).toMatchObject({ stopped: "lease_lost" });
  expect(await waits).toMatchObject({ code: "lease_lost" });
  expect(await failure(stuck.report({ processed: ["x"] }))).toMatchObject({ code: "lease_lost" });
});

it("shares with no worker that does not share", async () => {
  const { client, create, attach } = await servedScene();
  await create("a", ["x"]);
  const alone = await attach("a");
  expect(await failure(client.attach("a", { shared: true }))).toMatchObject({ code: "lease_held" });
  await alone.detach();
  const worker = await share(client, "w");
  expect(await failure(client.attach("a"))).toMatchObject({ code: "lease_held" });
  expect(await failure(client.reportProgress("a", { processed: ["x"] }))).toMatchObject({
    code: "lease_held",
  });
  await worker.claim(1);
  await worker.detach();
  expect((await client.getSession("a")).pending_files).toEqual(["x"]);
  expect((await attach("a")).session.pending_files).toEqual(["x"]);
});

it("is held by a pause, and ends with the session", async () => {
  const { client, create } = await servedScene();
  await create("a", names(100));
  const [one, other] = [await share(client, "one"), await share(client, "other")];
  let begun = 0;
  const work = async () => {
    begun++;
    await sleep(5);
  };
  const loops = [one.forEach(work, { onPause: "hold" }), other.forEach(work, { onPause: "hold" })];
  await eventually(() => expect(begun).toBeGreaterThan(10));
  await client.pauseSession("a");
  await eventually(() => expect([one.status, other.status]).toEqual(["paused", "paused"]));
  await eventually(async () => expect((await client.getSession("a")).processed_files).toHaveLength(begun));
  const heldAt = begun;
  await client.resumeSession("a");
  await eventually(() => expect(begun).toBeGreaterThan(heldAt + 10));
  await client.completeSession("a");
  for (const summary of await Promise.all(loops)) expect(summary).toMatchObject({ stopped: "completed" });
  const { processed_files, pending_files } = await client.getSession("a");
  expect(processed_files).toHaveLength(begun);
  expect(pending_files).toHaveLength(100 - begun);
});
