/** Shared leases: any number of workers on one session, each with a lease of its own. */
import { expect, test } from "vitest";
import type { Command } from "../../../src/session/command.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, document, type OpenStore, restarts, withSession } from "./opened-store.ts";

const id = parseSessionId("s");
const shared = { shared: true };

export function sharedLeaseTests(open: OpenStore): void {
  test("many that ask at once get one each; exclusive ones and shared ones exclude each other", async () => {
    const { store } = await withSession(open);
    const acquired = await Promise.all(Array.from({ length: 20 }, () => store.leases.acquire(id, shared)));
    expect(new Set(acquired.map(({ lease }) => lease.epoch)).size).toBe(20);
    expect(new Set(acquired.map(({ token }) => token)).size).toBe(20);
    expect(await store.leases.of(id)).toEqual(acquired.map(({ lease }) => lease));
    expect(await store.leases.all()).toHaveLength(20);
    expect(acquired[0]?.lease).toMatchObject({ shared: true, session_id: "s" });
    expect(await codeOf(store.leases.acquire(id, {}))).toBe("lease_held");
    for (const { lease } of acquired) await store.leases.release(id, lease.epoch);
    const { lease } = await store.leases.acquire(id, {});
    expect(await codeOf(store.leases.acquire(id, shared))).toBe("lease_held");
    await store.leases.release(id, lease.epoch);
    expect(await codeOf(store.leases.acquire(id, shared))).toBe("ok");
  });

  test("a token names its lease among those of the session", async () => {
    const { store } = await withSession(open);
    const [one, two] = [
      await store.leases.acquire(id, { ...shared, worker: "one" }),
      await store.leases.acquire(id, { ...shared, worker: "two" }),
    ];
    const again = await store.leases.acquire(id, { ...shared, token: one.token });
    expect(again.lease).toEqual({ ...one.lease, epoch: again.lease.epoch });
    expect(again.lease.epoch).toBeGreaterThan(two.lease.epoch);
    expect((await store.leases.of(id)).map(({ worker }) => worker).sort()).toEqual(["one", "two"]);
    expect(await codeOf(store.report(id, {}, { epoch: one.lease.epoch }))).toBe("lease_lost");
    expect(await codeOf(store.report(id, {}, { epoch: two.lease.epoch }))).toBe("ok");
    expect(await codeOf(store.leases.acquire(id, { ...shared, token: "guess" }))).toBe("lease_lost");
    await store.leases.release(id, again.lease.epoch);
    expect(await codeOf(store.leases.acquire(id, { ...shared, token: one.token }))).toBe("lease_lost");
    expect(await store.leases.of(id)).toEqual([two.lease]);
  });

  test("a token goes on with a lease of its kind only", async () => {
    const { store } = await withSession(open);
    const { token, lease } = await store.leases.acquire(id, shared);
    expect(await codeOf(store.leases.acquire(id, { token }))).toBe("lease_held");
    expect(await store.leases.of(id)).toEqual([lease]);
    await store.leases.release(id, lease.epoch);
    const alone = await store.leases.acquire(id, {});
    expect(await codeOf(store.leases.acquire(id, { ...shared, token: alone.token }))).toBe("lease_held");
    expect(await store.leases.of(id)).toEqual([alone.lease]);
  });

  test("who has no lease neither reports nor saves while workers share the session", async () => {
    const { store } = await withSession(open);
    const { lease } = await store.leases.acquire(id, shared);
    const checkpoint: Command = {
      type: "checkpoint",
      checkpoint: { processed_files: [], pending_files: [] },
    };
    const { backup } = await store.backup(id);
    const ways = [
      () => store.report(id, { added: ["c"] }),
      () => store.apply(id, { type: "progress", delta: { added: ["c"] } }),
      () => store.apply(id, checkpoint),
      () => store.save(document("s")),
      () => store.restoreBackup(id, backup),
      () => store.remove(id, { reason: "test" }),
    ];
    for (const way of ways) expect(await codeOf(way())).toBe("lease_held");
    await store.leases.release(id, lease.epoch);
    for (const way of ways) expect(await codeOf(way())).toBe("ok");
  });

  test.each(Object.entries(restarts))("they outlive a %s, each with its token", async (_, start) => {
    const opened = await withSession(open);
    const acquired = [];
    for (const worker of ["one", "two", "three"])
      acquired.push(await opened.store.leases.acquire(id, { ...shared, worker }));
    await opened.store.leases.release(id, acquired[1]?.lease.epoch as number);
    await start(opened);
    const { leases } = opened.store;
    const [one, two, three] = acquired;
    expect(await leases.of(id)).toEqual([one?.lease, three?.lease]);
    expect(await codeOf(leases.acquire(id, {}))).toBe("lease_held");
    expect(await codeOf(leases.acquire(id, { ...shared, token: two?.token }))).toBe("lease_lost");
    const again = await leases.acquire(id, { ...shared, token: three?.token });
    expect(again.lease).toEqual({ ...three?.lease, epoch: again.lease.epoch });
  });
}
