/**
 * What readers of events and workers of one daemon hear of what is done at another. The daemons look at their
 * database only when they are notified.
 */
import { describe, expect, test } from "vitest";
import type { SessionStore } from "../../src/store/session-store.ts";
import { startFleet } from "../store/postgres/fleet.ts";
import { eventually } from "../support/eventually.ts";
import { withoutPostgres } from "../support/postgres/database.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { attachShared } from "./channel/shared-worker.ts";
import { type AnyEvent, follow, type Reader } from "./events/event-reader.ts";
import { type RunningServer, startServerOver } from "./running-server.ts";

type Server = RunningServer<SessionStore>;

async function startServers(count = 2): Promise<[Server, Server, Server]> {
  const fleet = await startFleet({ pollIntervalMs: 600_000 });
  const servers: Server[] = [];
  for (const { store } of await fleet.hosts(count)) servers.push(await startServerOver(store, {}));
  return servers as [Server, Server, Server];
}

/** Without what differs from run to run. */
const bodies = ({ events }: Reader) =>
  events.slice(1).map(({ id: _id, time: _time, checkpoint_time: _checkpoint, ...rest }) => rest);

const isOf = (kind: string) => (event: AnyEvent) => event.kind === kind;

describe.skipIf(withoutPostgres())("daemons on one database", () => {
  test("a session's life is told by each daemon in the same words, whoever lived it", async () => {
    const servers = await startServers(3);
    const [a, b, c] = servers;
    const readers = await Promise.all(servers.map(({ socketPath }) => follow(socketPath)));
    const all = (match: Record<string, unknown>) => Promise.all(readers.map((reader) => reader.until(match)));
    await a.create("s", ["x", "y"]);
    await all({ kind: "session.created" });
    await b.call("POST", "/v1/sessions/s/pause", { json: { reason: "lunch" } });
    await all({ kind: "session.status", to: "paused" });
    await c.call("PATCH", "/v1/sessions/s", { json: { labels: { team: "a" }, pinned: true } });
    await all({ kind: "session.updated" });
    await a.call("POST", "/v1/sessions/s/resume");
    await all({ kind: "session.status", to: "running" });
    const json = { processed_files: ["x"], pending_files: ["y"], partial_results: { x: 2 } };
    await b.call("POST", "/v1/sessions/s/checkpoint", { json });
    await all({ kind: "session.progress" });
    await c.call("DELETE", "/v1/sessions/s");
    await all({ kind: "session.deleted" });
    await a.call("POST", "/v1/trash/s/restore");
    await eventually(() => {
      for (const { events } of readers) expect(events.filter(isOf("session.created"))).toHaveLength(2);
    });
    await b.call("DELETE", "/v1/sessions/s?purge=true");
    await all({ kind: "session.deleted", restorable: false });
    const [first] = readers.map(bodies);
    expect(first).toMatchObject([
      { kind: "session.created", revision: 1, pending_count: 2, outside: false },
      { kind: "session.status", from: "running", to: "paused", status_reason: "lunch" },
      { kind: "session.updated", changed: ["labels", "pinned"] },
      { kind: "session.status", from: "paused", to: "running" },
      { kind: "session.progress", processed_count: 1, coalesced: 1 },
      { kind: "session.deleted", cause: "removed", restorable: true },
      { kind: "session.created" },
      { kind: "session.deleted", restorable: false },
    ]);
    for (const reader of readers) expect(bodies(reader)).toEqual(first);
  });

  test("reports of one daemon are told at another a few times, with the exact count", async () => {
    const [a, b] = await startServers();
    const files = Array.from({ length: 400 }, (_, n) => `${n}`);
    await a.create("s", files);
    const reader = await follow(b.socketPath);
    const worker = await attachWorker(a.socketPath, "s");
    for (const [n, file] of files.entries()) worker.send({ type: "progress", seq: n + 1, processed: [file] });
    await eventually(() => expect(worker.messages).toContainEqual(expect.objectContaining({ seq: 400 })));
    await reader.until({ kind: "session.progress", processed_count: 400, pending_count: 0 });
    const told = reader.events.filter(isOf("session.progress"));
    expect(told.reduce((sum, { coalesced }) => sum + (coalesced as number), 0)).toBe(400);
    expect(told.length).toBeLessThan(40);
  });

  test("workers of one daemon are told of at another, as they come, go and are lost", async () => {
    const [a, b] = await startServers();
    await a.create("s", ["x"]);
    const reader = await follow(b.socketPath);
    const first = await attachWorker(a.socketPath, "s", { worker: "first" });
    await reader.until({ kind: "worker.attached", worker: "first", epoch: first.epoch });
    first.send({ type: "detach" });
    await reader.until({ kind: "worker.detached", worker: "first", epoch: first.epoch });
    const second = await attachWorker(a.socketPath, "s", { worker: "second" });
    second.socket.destroy();
    await reader.until({ kind: "worker.lost", worker: "second", gone: false });
  });

  test("a worker hears of a pause, a resume and the end of its session that are made elsewhere", async () => {
    const [a, b] = await startServers();
    await a.create("s", ["x"]);
    const worker = await attachWorker(b.socketPath, "s");
    for (let round = 0; round < 10; round++) {
      const verb = round % 2 === 0 ? "pause" : "resume";
      const { length } = worker.messages;
      await a.call("POST", `/v1/sessions/s/${verb}`);
      // Only a notification can be the reason: the database is looked at without one after ten minutes.
      await eventually(() => expect(worker.messages.length).toBe(length + 1));
      expect(worker.messages.at(-1)).toMatchObject({ status: verb === "pause" ? "paused" : "running" });
    }
    await a.call("DELETE", "/v1/sessions/s?force=true");
    expect(await worker.closed).toMatchObject({ code: "session_deleted" });
  });

  test("a claim that waits at one daemon gets what is given back, or left, at another", async () => {
    const [a, b] = await startServers();
    await a.create("s", ["1"]);
    const one = await attachShared(a.socketPath, "s");
    const other = await attachShared(b.socketPath, "s");
    expect(await one.claim()).toEqual(["1"]);
    const waiting = other.ask();
    await one.release(["1"]);
    expect((await other.answer(waiting)).files).toEqual(["1"]);
    const again = one.ask();
    other.send({ type: "detach" });
    expect((await one.answer(again)).files).toEqual(["1"]);
  });

  test("a reader that goes on at another daemon is told to list the sessions", async () => {
    const [a, b] = await startServers();
    const reader = await follow(a.socketPath);
    await a.create("s");
    await reader.until({ kind: "session.created" });
    const moved = await follow(b.socketPath, `?since=${reader.lastId()}`);
    await moved.until({ kind: "reset", reason: "other_run" });
    await b.create("t");
    await moved.until({ kind: "session.created", session_id: "t" });
  });
});
