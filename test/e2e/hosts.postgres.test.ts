/**
 * Two real daemons on one database, and what becomes of their workers when one of them is stopped or killed.
 */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { attachWorker } from "../server/channel/channel-worker.ts";
import { attachShared } from "../server/channel/shared-worker.ts";
import { launchDaemon, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../support/postgres/database.ts";

const faketime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/**
 * With a short `lease_ttl` where a host is to be lost, and a longer one where none may be on a busy machine.
 */
async function startHosts(lease_ttl: string, envs: readonly NodeJS.ProcessEnv[] = [{}, {}]) {
  const { url, query } = await testDatabase();
  const storage = { postgres: url, lease_ttl, poll_interval: "200ms" };
  // One after the other, because the first one makes the tables.
  const daemons = [];
  for (const env of envs) daemons.push(await startDaemon({ storage, env }));
  return { daemons: daemons as [Daemon, Daemon], query };
}

type Daemon = Awaited<ReturnType<typeof startDaemon>>;

const create = (client: SessionClient, pending_files: string[]) =>
  client.createSession({ session_id: "s", config: { target_path: "/src" }, pending_files });

async function attachedTo({ client, socket }: Daemon) {
  await create(client, ["1", "2"]);
  return attachWorker(socket, "s", { worker: "w" });
}

describe.skipIf(withoutPostgres())("daemons on several hosts", () => {
  test("a second daemon on one socket ends, and does not take over from the first", async () => {
    const { url } = await testDatabase();
    const storage = { postgres: url, lease_ttl: "1s" };
    const first = await startDaemon({ storage });
    const worker = await attachedTo(first);
    const second = await launchDaemon({ storage, args: ["--socket", first.socket] });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr()).toContain('"code":"socket_in_use"');
    await worker.report(1, { processed: ["1"] });
    expect(await first.client.getHealth()).toEqual({ status: "ok", problems: [] });
  });

  test("a daemon that stood still for too long keeps nothing after its successor's first report", async () => {
    const { daemons, query } = await startHosts("1s");
    const [a, b] = daemons;
    await create(a.client, ["1", "2", "3"]);
    const old = await attachWorker(a.socket, "s", { worker: "old" });
    await old.report(1, { processed: ["1"] });
    a.kill("SIGSTOP");
    await eventually(async () =>
      expect(await b.client.getSummary("s")).toMatchObject({
        status: "paused",
        status_reason: expect.stringContaining('the worker "old" was lost: its host'),
        workers: [],
      }),
    );
    await b.client.resumeSession("s");
    const next = await attachWorker(b.socket, "s", { worker: "next" });
    await next.report(1, { processed: ["2"] });
    // It is in the socket when the daemon wakes.
    old.send({ type: "progress", seq: 2, processed: ["3"] });
    a.kill("SIGCONT");
    expect(await old.closed).toMatchObject({ code: "lease_lost" });
    await next.report(2, { results: { after: true } });
    expect(await a.client.getSession("s")).toMatchObject({
      processed_files: ["1", "2"],
      pending_files: ["3"],
    });
    const [epochs] = await query("select count(*)::int as n from sessiond.leases");
    expect(epochs).toEqual({ n: 1 });
  });

  test("a daemon that is killed and starts anew in time takes its workers back", async () => {
    const { daemons, query } = await startHosts("1min");
    const [a, b] = daemons;
    await create(a.client, ["1", "2", "3"]);
    const worker = await attachShared(a.socket, "s", { worker: "w" });
    expect(await worker.claim(2)).toEqual(["1", "2"]);
    a.kill("SIGKILL");
    await a.exited;
    await worker.closed;
    const [killed] = await query("select clock_timestamp()::text as at");
    const again = await a.restart();
    const back = await attachShared(again.socket, "s", { token: worker.first.token });
    expect(back.first.claimed).toEqual(["1", "2"]);
    // No other host takes over from one that has been heard of.
    const [holder] = await query(
      `select h.heartbeat > $1::timestamptz as heard from sessiond.leases join sessiond.hosts h using (host_id)`,
      [killed?.at],
    );
    expect(holder).toEqual({ heard: true });
    expect(await b.client.getSummary("s")).toMatchObject({
      status: "running",
      workers: [{ name: "w", connected: true, claimed: 2, epoch: back.first.epoch }],
    });
  });

  test("a daemon that is killed for good is found lost, and its workers' claims go to the others", async () => {
    const { daemons } = await startHosts("1s");
    const [a, b] = daemons;
    await create(a.client, ["1", "2"]);
    const gone = await attachShared(a.socket, "s", { worker: "gone" });
    expect(await gone.claim(2)).toEqual(["1", "2"]);
    const stays = await attachShared(b.socket, "s", { worker: "stays" });
    const waits = stays.ask(2);
    a.kill("SIGKILL");
    expect(await stays.answer(waits)).toMatchObject({ files: ["1", "2"] });
    expect(await b.client.getSummary("s")).toMatchObject({
      status: "running",
      workers: [{ name: "stays", claimed: 2 }],
    });
  });

  test("an operator evicts the worker of another host", async () => {
    const { daemons } = await startHosts("1min");
    const [a, b] = daemons;
    await create(a.client, ["1"]);
    const worker = await attachWorker(a.socket, "s", { worker: "w" });
    await b.client.evict("s", worker.epoch);
    expect(await worker.closed).toMatchObject({ code: "lease_lost" });
    expect(await a.client.getSummary("s")).toMatchObject({ status: "running", workers: [] });
  });

  test.skipIf(!existsSync(faketime))("the clocks of the hosts do not matter to leases", async () => {
    const at = (offset: string) => ({
      LD_PRELOAD: faketime,
      FAKETIME: offset,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    });
    const { daemons, query } = await startHosts("2s", [at("+3600"), at("-3600")]);
    const [a, b] = daemons;
    await create(a.client, ["1", "2"]);
    const [first, second] = [await attachShared(a.socket, "s"), await attachShared(b.socket, "s")];
    const since = performance.now();
    await eventually(() => expect(performance.now() - since).toBeGreaterThan(6500));
    for (const { client } of daemons) expect((await client.getSummary("s")).workers).toHaveLength(2);
    const [times] = await query(
      `select max(abs(since_us / 1e6 - extract(epoch from now())))::int as off from sessiond.leases`,
    );
    expect(times?.off).toBeLessThan(60);
    a.kill("SIGKILL");
    await eventually(async () =>
      expect((await b.client.getSummary("s")).workers).toMatchObject([{ epoch: second.first.epoch }]),
    );
    expect(first.first.epoch).toBeLessThan(second.first.epoch);
  });
});
