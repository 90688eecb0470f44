import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { EventsOptions } from "../../src/client/events.ts";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { StreamEvent } from "../../src/contract/events.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { clientOf, fakeDaemon, reply } from "./http/fake-daemon.ts";
import { servedScene } from "./worker/fixture.ts";

/** Collects events in the background until the test ends, or the events do. */
function collect(client: SessionClient, options: EventsOptions = {}) {
  const stop = new AbortController();
  const events: StreamEvent[] = [];
  const said: string[] = [];
  const done = (async () => {
    const followed = client.events({
      signal: stop.signal,
      onLost: () => said.push("lost"),
      onReconnected: () => said.push("back"),
      ...options,
    });
    for await (const event of followed) events.push(event);
  })();
  onTestFinished(async () => {
    stop.abort();
    await done.catch(() => {});
  });
  const until = (match: object) =>
    eventually(() => expect(events).toContainEqual(expect.objectContaining(match)));
  return { events, said, done, until, stop: () => stop.abort() };
}

test("events come as they happen, after a reset that says where they start", async () => {
  const { client, create } = await servedScene();
  const { events, until, stop, done } = collect(client);
  await until({ kind: "reset", reason: "start" });
  await create("a", ["x"]);
  await client.reportProgress("a", { processed: ["x"] });
  await client.completeSession("a");
  await until({ kind: "session.status", to: "completed" });
  expect(events.map(({ kind }) => kind)).toEqual([
    "reset",
    "session.created",
    "session.progress",
    "session.status",
  ]);
  stop();
  await done;
  const some: string[] = [];
  for await (const event of client.events({ since: events[1]?.id, kinds: ["session.status"] })) {
    some.push(event.kind);
    break;
  }
  expect(some).toEqual(["session.status"]);
});

test("a daemon that restarts is waited for, and its reset is handed on", async () => {
  const all = await servedScene();
  const { events, said, until } = collect(all.client);
  await all.create("a");
  await until({ kind: "session.created", session_id: "a" });
  await all.restart();
  await until({ kind: "reset", reason: "other_run" });
  await all.create("b");
  await until({ kind: "session.created", session_id: "b" });
  expect(said).toEqual(["lost", "back"]);
  expect(events.map(({ kind }) => kind)).toEqual(["reset", "session.created", "reset", "session.created"]);
});

test("connections that are cut at any moment lose nothing, and repeat nothing", async () => {
  const { client, create, socketPath } = await servedScene();
  const path = join(await tempDir(), "proxy.sock");
  const open = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(socketPath);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
        open.delete(socket);
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => proxy.listen(path, resolve));
  onTestFinished(() => {
    proxy.close();
    cut();
  });
  const { events, said, until } = collect(clientOf(path));
  await until({ kind: "reset" });
  const ids = Array.from({ length: 40 }, (_, index) => `s${index}`);
  for (const [index, id] of ids.entries()) {
    await create(id);
    if (index % 4 === 3) cut();
  }
  await until({ session_id: "s39" });
  expect(events.map((event) => (event.kind === "reset" ? event.reason : event.session_id))).toEqual([
    "start",
    ...ids,
  ]);
  expect(said).toContain("back");
  expect((await client.getStats()).total).toBe(40);
});

test("a daemon that stays away ends the events with why", async () => {
  const { client, stop } = await servedScene();
  const { done, until, said } = collect(client, { reconnectMs: 300 });
  await until({ kind: "reset" });
  await stop();
  await expect(done).rejects.toMatchObject({ code: "daemon_unreachable" });
  expect(said).toEqual(["lost"]);
});

test("the signal ends them while they are read, while the daemon is away, and before they begin", async () => {
  const { client, stop } = await servedScene();
  const reading = collect(client);
  await reading.until({ kind: "reset" });
  reading.stop();
  await reading.done;
  const waiting = collect(client);
  await waiting.until({ kind: "reset" });
  await stop();
  await eventually(() => expect(waiting.said).toEqual(["lost"]));
  waiting.stop();
  await waiting.done;
  const never = collect(client, { signal: AbortSignal.abort() });
  await never.done;
  expect(never.events).toEqual([]);
});

test("what is refused at first is not tried again", async () => {
  const { client, stop } = await servedScene();
  await expect(collect(client, { since: "yesterday" }).done).rejects.toMatchObject({
    code: "invalid_request",
  });
  await expect(collect(client, { sessions: [""] }).done).rejects.toMatchObject({ code: "invalid_request" });
  await stop();
  await expect(collect(client).done).rejects.toMatchObject({ code: "daemon_unreachable", reason: "missing" });
  const full = await fakeDaemon(reply(503, { code: "invalid_request", detail: "256 readers" }));
  await expect(collect(full.client).done).rejects.toMatchObject({ message: expect.stringContaining("256") });
  const silent = await fakeDaemon(() => {});
  await expect(collect(silent.client, { timeoutMs: 100 }).done).rejects.toMatchObject({ code: "timed_out" });
  const other = await fakeDaemon(reply(200, {}));
  await expect(collect(other.client).done).rejects.toMatchObject({ reason: "not_sessiond" });
  const garbled = await fakeDaemon((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: no JSON\n\n");
  });
  await expect(collect(garbled.client).done).rejects.toMatchObject({ code: "internal" });
});

test("it comes back with where it was: also where only the daemon's signs of life have told", async () => {
  const cursors: unknown[] = [];
  const streams = [
    'retry: 5\nid: r-1\nevent: reset\ndata: {"id":"r-1","kind":"reset","reason":"start"}\n\n: r-7\nid: r-7\n\n',
    'id: r-8\nevent: session.new\ndata: {"id":"r-8","kind":"session.new"}\n\nevent: dropped\ndata: {"kind":"dropped"}\n\n',
    ": following r-8\n\n",
  ];
  const { client } = await fakeDaemon((request, response) => {
    cursors.push(request.headers["last-event-id"]);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const stream = streams[cursors.length - 1];
    if (cursors.length === 2) response.end(stream);
    else if (stream === undefined) response.write(":\n\n");
    else response.write(stream, () => response.destroy());
  });
  const { events } = collect(client);
  await eventually(() => expect(cursors).toEqual([undefined, "r-7", "r-8", "r-8"]));
  expect(events.map(({ kind }) => kind)).toEqual(["reset", "session.new"]);
});
