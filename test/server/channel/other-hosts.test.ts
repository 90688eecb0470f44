/**
 * What daemons of other hosts do to leases, and the leases of a lost host, over a store that tells of them.
 */
import { expect, test, vi } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { FleetLease, Lease, LeaseEvent } from "../../../src/store/session-store.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { openMemoryStore } from "../../support/memory-store/memory-store.ts";
import { follow } from "../events/event-reader.ts";
import { startServerOver } from "../running-server.ts";
import { attachWorker } from "./channel-worker.ts";

const s = parseSessionId("s");

/** A server with a session `s`, and what the store of a fleet would tell it. */
async function startOneOfMany() {
  const store = await openMemoryStore();
  let orphan: (lease: Lease) => void = () => {};
  let tell: (event: LeaseEvent) => void = () => {};
  vi.spyOn(store.leases, "onOrphaned").mockImplementation(((listener: typeof orphan) => {
    orphan = listener;
    return () => {};
  }) as () => () => void);
  vi.spyOn(store.leases, "onElsewhere").mockImplementation(((listener: typeof tell) => {
    tell = listener;
    return () => {};
  }) as () => () => void);
  const server = await startServerOver(store, { worker: { reattachGraceMs: 60_000 } });
  await server.create("s", ["a", "b"]);
  /** From now on, leases with one of these epochs are another host's. */
  const elsewhere = (connected: boolean, ...epochs: number[]) => {
    const { of } = store.leases;
    vi.spyOn(store.leases, "of").mockImplementation(async (id) =>
      (await of.call(store.leases, id)).map(
        (lease): FleetLease =>
          epochs.includes(lease.epoch) ? { ...lease, elsewhere: { connected } } : lease,
      ),
    );
  };
  return {
    ...server,
    store,
    elsewhere,
    orphan: (lease: Lease) => orphan(lease),
    tell: (event: LeaseEvent) => tell(event),
    summary: async () => jsonOf(await server.call("GET", "/v1/sessions/s/summary")),
  };
}

test("the lease of a lost host ends at once, and its session is paused, with the reason", async () => {
  const { store, orphan, summary, socketPath } = await startOneOfMany();
  const { events } = await follow(socketPath);
  const { lease } = await store.leases.acquire(s, { worker: "w" });
  orphan({ ...lease, host: "web7" });
  await eventually(async () => expect(await summary()).toMatchObject({ status: "paused", workers: [] }));
  expect(await summary()).toMatchObject({
    status_reason: `the worker "w" was lost: its host "${lease.host}" was lost`,
  });
  await eventually(() =>
    expect(events).toContainEqual(expect.objectContaining({ kind: "worker.lost", gone: true, worker: "w" })),
  );
});

test("the lease of a lost host ends without a pause while a worker of another host goes on", async () => {
  const { store, orphan, elsewhere, summary } = await startOneOfMany();
  const { lease: lost } = await store.leases.acquire(s, { shared: true });
  const { lease: other } = await store.leases.acquire(s, { shared: true });
  elsewhere(true, other.epoch);
  orphan(lost);
  await eventually(async () => expect((await summary()).workers).toMatchObject([{ epoch: other.epoch }]));
  expect(await summary()).toMatchObject({ status: "running" });
});

test("the last workers of two hosts that are lost at the same moment pause the session", async () => {
  const { store, orphan, summary } = await startOneOfMany();
  const { lease: mine } = await store.leases.acquire(s, { shared: true });
  const { lease: theirs } = await store.leases.acquire(s, { shared: true });
  const { of } = store.leases;
  let looks = 0;
  // The other host ends its lease, which it does not take for the last one, after this host has counted.
  vi.spyOn(store.leases, "of").mockImplementation(async (id) => {
    const found = await of.call(store.leases, id);
    if (++looks === 1) await store.leases.release(s, theirs.epoch);
    return found;
  });
  orphan(mine);
  await eventually(async () => expect(await summary()).toMatchObject({ status: "paused", workers: [] }));
});

test("a worker whose lease another host has ended is told, and so are readers of events", async () => {
  const { store, tell, socketPath, summary } = await startOneOfMany();
  const { events } = await follow(socketPath);
  const worker = await attachWorker(socketPath, "s", { worker: "w" });
  await store.leases.release(s, worker.epoch);
  tell({ kind: "lost", lease: { session_id: "s", epoch: worker.epoch, worker: "w" }, gone: true });
  expect(await worker.closed).toMatchObject({ code: "lease_lost" });
  await eventually(() =>
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "worker.lost", epoch: worker.epoch, gone: true }),
    ),
  );
  expect(await summary()).toMatchObject({ status: "running", workers: [] });
});

test("a worker of another host is listed as its daemon says, and has no grace here", async () => {
  const { store, elsewhere, summary, socketPath, tell } = await startOneOfMany();
  const { events } = await follow(socketPath);
  const { lease } = await store.leases.acquire(s, { worker: "far" });
  elsewhere(true, lease.epoch);
  tell({ kind: "attached", lease, gone: false });
  await eventually(() =>
    expect(events).toContainEqual(expect.objectContaining({ kind: "worker.attached", worker: "far" })),
  );
  expect((await summary()).workers).toMatchObject([{ name: "far", connected: true }]);
  const refused = await attachWorker(socketPath, "s").catch((error: Error) => error);
  // Not "lost its connection": that is for the other host to say.
  expect(refused).toMatchObject({
    body: { code: "lease_held", detail: expect.stringContaining("attached") },
  });
});
