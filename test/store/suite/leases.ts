/** Leases: one worker reports on a session at a time, and what an earlier one still sends is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command } from "../../../src/session/command.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { runs } from "../../support/runs.ts";
import {
  codeOf,
  config,
  document,
  type OpenedStore,
  type OpenStore,
  openFor,
  restarts,
} from "./opened-store.ts";

const id = parseSessionId("s");

const checkpoint: Command = {
  type: "checkpoint",
  checkpoint: { processed_files: ["x"], pending_files: [] },
};

async function withSession(open: OpenStore): Promise<OpenedStore> {
  const opened = await openFor(open);
  await opened.store.create({ session_id: id, config, pending_files: ["a", "b"] });
  return opened;
}

export function leaseTests(open: OpenStore): void {
  test("one of many that ask at once gets the lease", async () => {
    const { store } = await withSession(open);
    const tries = await Promise.all(Array.from({ length: 20 }, () => codeOf(store.leases.acquire(id, {}))));
    expect(tries.sort()).toEqual([...Array(19).fill("lease_held"), "ok"]);
    expect(await store.leases.all()).toHaveLength(1);
  });

  test("a lease has a higher epoch than every one before, of any session, and can be looked up", async () => {
    const { store } = await withSession(open);
    await store.create({ session_id: "t", config });
    const first = await store.leases.acquire(id, { worker: "w" });
    const second = await store.leases.acquire(parseSessionId("t"), {});
    expect(first).toEqual({ session_id: "s", epoch: first.epoch, worker: "w" });
    expect(second).toEqual({ session_id: "t", epoch: second.epoch, worker: null });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(await store.leases.get("s")).toEqual(first);
    expect(new Set(await store.leases.all())).toEqual(new Set([first, second]));
    await store.leases.release(id, first.epoch);
    expect(await store.leases.get("s")).toBeUndefined();
    expect((await store.leases.acquire(id, {})).epoch).toBeGreaterThan(second.epoch);
  });

  test("its holder alone reports, checkpoints and saves; the other changes are anybody's", async () => {
    const { store } = await withSession(open);
    const { epoch } = await store.leases.acquire(id, { worker: "w" });
    const ways = {
      report: (of?: number) => store.report(id, { processed: ["a"] }, { epoch: of }),
      progress: (of?: number) => store.apply(id, { type: "progress", delta: {} }, { epoch: of }),
      checkpoint: (of?: number) => store.apply(id, checkpoint, { epoch: of }),
      save: (of?: number) => store.save(document("s"), { epoch: of }),
    };
    const before = await store.read(id);
    for (const [what, way] of Object.entries(ways)) {
      await expect(way(), what).rejects.toMatchObject({ code: "lease_held", outcome: "not_applied" });
      await expect(way(epoch + 1), what).rejects.toMatchObject({
        code: "lease_lost",
        outcome: "not_applied",
      });
      await expect(way(epoch - 1), what).rejects.toMatchObject({
        code: "lease_lost",
        outcome: "not_applied",
      });
    }
    expect(await store.read(id)).toEqual(before);
    await store.apply(id, { type: "transition", verb: "pause" });
    await store.apply(id, { type: "edit", pinned: true });
    await store.recover(id);
    for (const [what, way] of Object.entries(ways)) expect(await codeOf(way(epoch)), what).toBe("ok");
    await store.leases.release(id, epoch);
    for (const [what, way] of Object.entries(ways)) {
      expect(await codeOf(way(epoch)), what).toBe("lease_lost");
      expect(await codeOf(way()), what).toBe("ok");
    }
  });

  test("a worker goes on with its lease under a new epoch, and the old one is over", async () => {
    const { store } = await withSession(open);
    const first = await store.leases.acquire(id, { worker: "w" });
    const second = await store.leases.acquire(id, { epoch: first.epoch });
    expect(second).toEqual({ session_id: "s", epoch: second.epoch, worker: "w" });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    const late = store.report(id, { processed: ["a"] }, { epoch: first.epoch });
    await expect(late).rejects.toMatchObject({ code: "lease_lost", outcome: "not_applied" });
    // It may not have heard of the second, as long as it has not shown that it knows it.
    const third = await store.leases.acquire(id, { epoch: first.epoch, worker: "renamed" });
    expect(third.worker).toBe("renamed");
    await store.report(id, { processed: ["a"] }, { epoch: third.epoch });
    expect(await codeOf(store.leases.acquire(id, { epoch: first.epoch }))).toBe("lease_lost");
    expect(await codeOf(store.leases.acquire(id, { epoch: second.epoch }))).toBe("lease_lost");
    expect((await store.leases.get("s"))?.epoch).toBe(third.epoch);
  });

  test("releasing a lease that is another one by now does nothing", async () => {
    const { store } = await withSession(open);
    const first = await store.leases.acquire(id, {});
    const second = await store.leases.acquire(id, { epoch: first.epoch });
    await store.leases.release(id, first.epoch);
    await store.leases.release(parseSessionId("other"), second.epoch);
    expect(await store.leases.get("s")).toEqual(second);
    await store.leases.release(id, second.epoch);
    expect(await codeOf(store.leases.acquire(id, { epoch: second.epoch }))).toBe("lease_lost");
  });

  test.each([true, false])(
    "keeps its session from being removed, unless by force (purged: %s)",
    async (purge) => {
      const { store } = await withSession(open);
      const { epoch } = await store.leases.acquire(id, {});
      const refused = store.remove(id, { reason: "test", purge });
      await expect(refused).rejects.toMatchObject({ code: "lease_held", outcome: "not_applied" });
      expect(await store.has(id)).toBe(true);
      await store.remove(id, { reason: "test", purge, force: true });
      expect(await store.leases.all()).toEqual([]);
      await store.create({ session_id: id, config });
      expect(await codeOf(store.report(id, {}, { epoch }))).toBe("lease_lost");
      expect(await codeOf(store.report(id, {}))).toBe("ok");
    },
  );

  test.each(Object.entries(restarts))("outlives a %s, with its epoch", async (_, start) => {
    const opened = await withSession(open);
    const kept = await opened.store.leases.acquire(id, { worker: "w" });
    await opened.store.create({ session_id: "t", config });
    const released = await opened.store.leases.acquire(parseSessionId("t"), {});
    await opened.store.leases.release(parseSessionId("t"), released.epoch);
    await opened.store.report(id, { processed: ["a"] }, { epoch: kept.epoch });
    await start(opened);
    expect(await opened.store.leases.all()).toEqual([kept]);
    expect(await codeOf(opened.store.report(id, { processed: ["b"] }))).toBe("lease_held");
    const next = await opened.store.leases.acquire(id, { epoch: kept.epoch });
    expect(next.epoch).toBeGreaterThan(released.epoch);
    expect(next.worker).toBe("w");
    const late = opened.store.report(id, { processed: ["b"] }, { epoch: kept.epoch });
    expect(await codeOf(late)).toBe("lease_lost");
    expect((await opened.store.read(id)).session.processed_files).toEqual(["a"]);
  });

  test("whatever order they come in: one holder, epochs that only grow, and no late report", async () => {
    const step = fc.constantFrom(
      "acquire",
      "go on",
      "release",
      "report",
      "report late",
      "report freely",
      "start",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const opened = await open();
        try {
          await opened.store.create({ session_id: id, config });
          await lead(opened, steps);
        } finally {
          await opened.close();
        }
      }),
      runs(10, 200),
    );
  });
}

async function lead(opened: OpenedStore, steps: readonly string[]): Promise<void> {
  let held: number | undefined;
  let last = 0;
  const over: number[] = [];
  const reported: string[] = [];
  const take = (epoch: number) => {
    expect(epoch).toBeGreaterThan(last);
    if (held !== undefined) over.push(held);
    [held, last] = [epoch, epoch];
  };
  for (const [at, what] of steps.entries()) {
    const { store } = opened;
    const delta = { processed: [`${at}`] };
    if (what === "start") await opened.reopen();
    else if (what === "acquire" && held === undefined) take((await store.leases.acquire(id, {})).epoch);
    else if (what === "acquire") expect(await codeOf(store.leases.acquire(id, {}))).toBe("lease_held");
    else if (what === "go on" && held !== undefined)
      take((await store.leases.acquire(id, { epoch: held })).epoch);
    else if (what === "go on")
      expect(await codeOf(store.leases.acquire(id, { epoch: last }))).toBe("lease_lost");
    else if (what === "release" && held !== undefined) {
      await store.leases.release(id, held);
      over.push(held);
      held = undefined;
    } else if (what === "report" && held !== undefined) {
      await store.report(id, delta, { epoch: held });
      reported.push(`${at}`);
    } else if (what === "report late") {
      for (const epoch of over) expect(await codeOf(store.report(id, delta, { epoch }))).toBe("lease_lost");
    } else if (what === "report freely") {
      expect(await codeOf(store.report(id, delta))).toBe(held === undefined ? "ok" : "lease_held");
      if (held === undefined) reported.push(`${at}`);
    }
    expect((await opened.store.leases.get(id))?.epoch).toBe(held);
  }
  expect((await opened.store.read(id)).session.processed_files).toEqual(reported);
}
