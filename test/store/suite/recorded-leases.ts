/**
 * Leases of a backend that keeps them in a record, `leases`: one of an earlier version, or one that is odd. A
 * backend that keeps them elsewhere, as one with many daemons does, passes the other tests of leases alone.
 */
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, type OpenStore, withSession } from "./opened-store.ts";

const id = parseSessionId("s");

export function recordedLeaseSuite(name: string, open: OpenStore): void {
  describe(`${name}: recorded leases`, () => recordedLeaseTests(open));
}

function recordedLeaseTests(open: OpenStore): void {
  test.each([
    { last_epoch: "7", leases: [] },
    { last_epoch: 7, leases: {} },
    { last_epoch: 7, leases: [null] },
    { last_epoch: 7, leases: [{ session_id: "s", epoch: "x", worker: null }] },
    { last_epoch: 7, leases: [{ session_id: "s", epoch: 7, worker: { name: "w" } }] },
    { last_epoch: 7, leases: [{ session_id: 7, epoch: 7, worker: null }] },
    { last_epoch: 7, leases: [{ session_id: "s", epoch: 7, worker: null, token_sha256: "ab" }] },
    { last_epoch: 2 ** 53, leases: [] },
    [],
    "leases",
    null,
  ])("a record of leases of an odd shape is nobody's lease: %j", async (record) => {
    const opened = await withSession(open);
    await opened.store.records.replace("leases", record);
    await opened.reopen();
    const { store } = opened;
    expect(await store.leases.all()).toEqual([]);
    const { lease } = await store.leases.acquire(id, { worker: "w", process: "p" });
    expect(Number.isSafeInteger(lease.epoch)).toBe(true);
    await opened.reopen();
    expect(await opened.store.leases.all()).toEqual([lease]);
  });

  test("a lease from before there were tokens is held until its grace is over, and is nobody's", async () => {
    const opened = await withSession(open);
    const lease = { session_id: "s", epoch: 7, worker: "w" };
    await opened.store.records.replace("leases", { last_epoch: 7, leases: [lease] });
    await opened.reopen();
    const { leases } = opened.store;
    const unknown = { process: null, host: null, generation: null };
    expect(await leases.all()).toEqual([{ ...lease, ...unknown, shared: false, since: expect.any(String) }]);
    for (const token of ["7", "", "null", "undefined"])
      expect(await codeOf(leases.acquire(id, { token })), token).toBe("lease_lost");
    expect(await codeOf(leases.acquire(id, {}))).toBe("lease_held");
    await leases.release(id, 7);
    expect((await leases.acquire(id, {})).lease.epoch).toBeGreaterThan(7);
  });
}
