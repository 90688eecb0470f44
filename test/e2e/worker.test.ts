/** Workers and daemons that are killed, as processes, while a session is worked on. */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { type Program, startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";
import { readSessions } from "./directory.ts";

function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `src/${at}.ts`);
}

async function create(client: SessionClient, files: readonly string[]): Promise<void> {
  await client.createSession({ session_id: "a", config: { target_path: "src" }, pending_files: files });
}

test("a worker outlives daemons that are killed: nothing is worked on twice, nothing is lost", async () => {
  let daemon = await startDaemon();
  const count = isLong ? 5000 : 1500;
  const files = names(count);
  await create(daemon.client, files);
  const worker = await daemon.client.attach("a");
  const times = new Map<string, number>();
  const loop = worker.forEach(
    async (file) => {
      times.set(file, (times.get(file) ?? 0) + 1);
      await sleep(2 + Math.random() * 6);
      return { name: file, big: 2n ** 64n };
    },
    { concurrency: 16 },
  );
  for (const moment of [0.1, 0.3, 0.6]) {
    await eventually(() => expect(times.size).toBeGreaterThan(moment * count));
    daemon.kill("SIGKILL");
    await daemon.exited;
    daemon = await daemon.restart();
  }
  expect(await loop).toEqual({ processed: count, failed: 0, unacknowledged: 0, stopped: null });
  expect(times.size).toBe(count);
  expect([...times.values()].every((often) => often === 1)).toBe(true);
  await worker.detach();

  const stored = await daemon.client.getSession("a");
  expect(stored.status).toBe("running");
  expect(stored.pending_files).toEqual([]);
  expect(stored.processed_files).toHaveLength(count);
  expect(new Set(stored.processed_files)).toEqual(new Set(files));
  expect(Object.keys(stored.partial_results)).toHaveLength(count);
  const last = `src/${count - 1}.ts`;
  expect(stored.partial_results[last]).toEqual({ name: last, big: 2n ** 64n });
  await daemon.restart();
  expect(readSessions(daemon.sessionsDir).get("a")?.partial_results).toEqual(stored.partial_results);
}, 60_000);

test("a worker waits for a daemon that has stopped answering", async () => {
  const daemon = await startDaemon();
  const files = names(2000);
  await create(daemon.client, files);
  const worker = await daemon.client.attach("a");
  let worked = 0;
  const loop = worker.forEach(
    async () => {
      worked++;
      await sleep(1);
    },
    { concurrency: 8 },
  );
  await eventually(() => expect(worked).toBeGreaterThan(100));
  daemon.kill("SIGSTOP");
  await eventually(() => expect(worked).toBe(2000));
  await sleep(100);
  daemon.kill("SIGCONT");
  expect(await loop).toMatchObject({ processed: 2000, stopped: null });
  expect(worker.epoch).toBeGreaterThan(0);
  expect(await daemon.client.getSession("a")).toMatchObject({ pending_files: [] });
  await worker.detach();
});

test("a worker that is killed is seen at once, and another goes on after the grace with what it left", async () => {
  const { client, socket, configFile } = await startDaemon({ config: "worker: { reattach_grace: 1h }" });
  const files = names(3000);
  await create(client, files);
  const account = join(await tempDir(), "account");
  const child = await startWorker(socket, account);
  await eventually(() => expect(acknowledged(account).length).toBeGreaterThan(200));
  expect((await client.getSummary("a")).workers).toMatchObject([{ name: "child", connected: true }]);
  child.kill("SIGKILL");
  await child.exited;
  await eventually(async () =>
    expect((await client.getSummary("a")).workers).toMatchObject([{ name: "child", connected: false }]),
  );
  await expect(client.attach("a")).rejects.toMatchObject({ code: "lease_held" });
  await writeFile(configFile, "worker: { reattach_grace: 100ms }");
  await client.reload();
  await eventually(async () => expect((await client.getSummary("a")).workers).toEqual([]));

  const left = await client.getSession("a");
  expect(left).toMatchObject({ status: "paused", status_reason: expect.stringContaining("child") });
  const done = new Set(left.processed_files);
  expect(acknowledged(account).filter((file) => !done.has(file))).toEqual([]);
  await client.resumeSession("a");
  await using worker = await client.attach("a");
  expect(worker.session.pending_files.length).toBe(files.length - done.size);
  const summary = await worker.forEach(async (file) => {
    expect(done).not.toContain(file);
  });
  expect(summary).toMatchObject({ processed: files.length - done.size, stopped: null });
  expect((await client.getSession("a")).processed_files).toHaveLength(files.length);
}, 30_000);

/**
 * A process that works on the session, and writes down each file whose report was acknowledged to it. It does
 * not say which process it is: of one that is known to have ended, the lease would end at once.
 */
async function startWorker(socket: string, account: string): Promise<Program> {
  const script = join(await tempDir(), "worker.mjs");
  await writeFile(
    script,
    `import { appendFileSync } from "node:fs";
     import { connect } from "node:net";
     import { createInterface } from "node:readline";
     import { setTimeout as sleep } from "node:timers/promises";
     const [socketPath, account] = process.argv.slice(2);
     const socket = connect(socketPath);
     const request = ["GET /v1/sessions/a/attach?worker=child HTTP/1.1", "Host: sessiond", "Connection: Upgrade"];
     socket.write([...request, "Upgrade: sessiond-channel/1", "", ""].join("\\r\\n"));
     let [files, sent, acked] = [[], 0, 0];
     const report = async () => {
       await sleep(5);
       const file = files[sent++];
       const message = { type: "progress", seq: sent, processed: [file], results: { [file]: "child" } };
       socket.write(JSON.stringify(message) + "\\n");
     };
     for await (const line of createInterface({ input: socket })) {
       const message = line.startsWith("{") ? JSON.parse(line) : {};
       if (message.type === "attached") {
         files = message.session.pending_files;
         for (let lane = 0; lane < 8; lane++) void report();
       }
       for (; acked < message.seq; acked++) {
         appendFileSync(account, files[acked] + "\\n");
         void report();
       }
     }`,
  );
  return startProgram(script, [socket, account]);
}

function acknowledged(account: string): string[] {
  return existsSync(account) ? readFileSync(account, "utf8").split("\n").slice(0, -1) : [];
}
