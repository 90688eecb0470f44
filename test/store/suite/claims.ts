/** Claims: workers share a session, and no file is worked on by two of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { runs } from "../../support/runs.ts";
import { anySteps, runSteps } from "./claims-model.ts";
import { codeOf, config, document, type OpenStore, openFor, restarts, withSession } from "./opened-store.ts";

const id = parseSessionId("s");

/** The epoch of a new shared lease. */
async function join(store: SessionStore): Promise<number> {
  return (await store.leases.acquire(id, { shared: true })).lease.epoch;
}

async function filesOf(store: SessionStore, count: number, epoch: number): Promise<string[]> {
  return (await store.claims.take(id, epoch, count)).files;
}

export function claimTests(open: OpenStore): void {
  test("files are handed out in order, each to one lease, and their counts are told", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d", "e"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await store.claims.take(id, one, 2)).toEqual({ files: ["a", "b"], left: 5, free: 3 });
    expect(await store.claims.take(id, two, 1)).toEqual({ files: ["c"], left: 5, free: 2 });
    expect(await store.claims.held(id, one)).toEqual(["a", "b"]);
    expect(await store.claims.counts(id)).toEqual(
      new Map([
        [one, 2],
        [two, 1],
      ]),
    );
    await store.report(id, { processed: ["a"], results: { a: 1 } }, { epoch: one });
    expect(await store.claims.held(id, one)).toEqual(["b"]);
    expect((await store.read(id)).session).toMatchObject({
      processed_files: ["a"],
      pending_files: ["b", "c", "d", "e"],
    });
  });

  test("a take gets a fair part of what is free, and at least one file", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d", "e"]);
    const [one, two, three] = [await join(store), await join(store), await join(store)];
    expect(await filesOf(store, 10, one)).toEqual(["a", "b"]);
    expect(await filesOf(store, 10, two)).toEqual(["c"]);
    expect(await filesOf(store, 10, three)).toEqual(["d"]);
    expect(await filesOf(store, 10, three)).toEqual(["e"]);
    expect(await store.claims.take(id, one, 10)).toEqual({ files: [], left: 5, free: 0 });
  });

  test("files that are given back come first, in their place", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const one = await join(store);
    expect(await filesOf(store, 3, one)).toEqual(["a", "b", "c"]);
    await store.claims.giveBack(id, one, ["c", "a"]);
    expect(await store.claims.held(id, one)).toEqual(["b"]);
    expect(await filesOf(store, 3, one)).toEqual(["a", "c", "d"]);
  });

  test("only its holder gives a file back: if it holds not all of them, none is given back", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    expect(await filesOf(store, 1, two)).toEqual(["c"]);
    for (const files of [
      ["a", "c"],
      ["d", "a"],
      ["a", "nothing"],
    ]) {
      const refused = store.claims.giveBack(id, one, files);
      await expect(refused).rejects.toMatchObject({ code: "not_claimed", outcome: "not_applied" });
    }
    expect(await store.claims.held(id, one)).toEqual(["a", "b"]);
    await store.report(id, { processed: ["a"] }, { epoch: one });
    expect(await codeOf(store.claims.giveBack(id, one, ["a"]))).toBe("not_claimed");
  });

  test("a lease reports what it has claimed, and nothing else", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    expect(await filesOf(store, 1, two)).toEqual(["c"]);
    const before = await store.read(id);
    const refused = [
      { processed: ["c"] },
      { processed: ["d"] },
      { processed: ["a", "c"], results: { a: 1 } },
      { processed: ["a"], results: { a: 1, c: 2 } },
      { results: { d: 1 } },
      { processed: ["unknown"] },
    ];
    for (const delta of refused) {
      for (const way of [
        store.report(id, delta, { epoch: one }),
        store.apply(id, { type: "progress", delta }, { epoch: one }),
      ])
        await expect(way).rejects.toMatchObject({ code: "not_claimed", outcome: "not_applied" });
    }
    expect(await store.read(id)).toEqual(before);
    await store.report(id, { processed: ["a"], results: { a: 1, other: 2 }, added: ["e"] }, { epoch: one });
    await store.apply(
      id,
      { type: "progress", delta: { processed: ["b"], results: { a: 3 } } },
      { epoch: one },
    );
    expect((await store.read(id)).session).toMatchObject({
      processed_files: ["a", "b"],
      pending_files: ["c", "d", "e"],
      partial_results: { a: 3, other: 2 },
    });
  });

  test("a report that is sent again changes nothing, and its result is not merged again", async () => {
    const { store } = await withSession(open, ["a", "b", "c"]);
    const one = await join(store);
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    await store.report(id, { processed: ["a"], results: { a: "first" } }, { epoch: one });
    const again = { processed: ["a", "b"], results: { a: "again", b: "first" } };
    await store.report(id, again, { epoch: one });
    expect((await store.read(id)).session).toMatchObject({
      processed_files: ["a", "b"],
      partial_results: { a: "first", b: "first" },
    });
    await store.apply(id, { type: "requeue", files: ["a"] });
    expect(await codeOf(store.report(id, again, { epoch: one }))).toBe("not_claimed");
  });

  test("a requeue that may leave files alone is not refused for those that somebody has claimed", async () => {
    const { store } = await withSession(open, ["a", "b"]);
    const one = await join(store);
    const failed = { exit_code: 1, finished_time: "2026-01-01T00:00:00Z" };
    await filesOf(store, 1, one);
    await store.report(id, { processed: ["a"], results: { a: failed } }, { epoch: one });
    expect(await filesOf(store, 1, one)).toEqual(["b"]);
    const command = { type: "requeue", files: ["a", "b"] } as const;
    expect(await codeOf(store.apply(id, command))).toBe("not_claimed");
    await store.apply(id, { ...command, unlessFinishedSince: "2026-01-01T00:00:01Z" });
    expect((await store.read(id)).session).toMatchObject({ processed_files: [], pending_files: ["b", "a"] });
  });

  test("an exclusive lease claims nothing, and an epoch that is over neither", async () => {
    const { store } = await withSession(open, ["a"]);
    const exclusive = (await store.leases.acquire(id, {})).lease.epoch;
    const ways = (epoch: number) => [
      store.claims.take(id, epoch, 1),
      store.claims.giveBack(id, epoch, []),
      store.claims.held(id, epoch),
    ];
    for (const way of ways(exclusive)) expect(await codeOf(way)).toBe("invalid_request");
    for (const way of ways(exclusive + 1)) expect(await codeOf(way)).toBe("lease_lost");
    expect(await store.claims.counts(id)).toEqual(new Map());
  });

  test("a worker that comes back with its token has its claims", async () => {
    const { store } = await withSession(open, ["a", "b", "c"]);
    const { lease, token } = await store.leases.acquire(id, { shared: true });
    expect(await filesOf(store, 2, lease.epoch)).toEqual(["a", "b"]);
    const { epoch } = (await store.leases.acquire(id, { shared: true, token })).lease;
    expect(await codeOf(store.claims.take(id, lease.epoch, 1))).toBe("lease_lost");
    expect(await store.claims.held(id, epoch)).toEqual(["a", "b"]);
    expect(await store.claims.counts(id)).toEqual(new Map([[epoch, 2]]));
    await store.report(id, { processed: ["a"] }, { epoch });
    expect(await filesOf(store, 2, epoch)).toEqual(["c"]);
  });

  test("a lease that ends gives its claims back", async () => {
    const { store } = await withSession(open, ["a", "b", "c"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    const freed: string[] = [];
    store.claims.onFree((of) => freed.push(of));
    await store.leases.release(id, one);
    expect(freed).toContain("s");
    expect(await filesOf(store, 3, two)).toEqual(["a", "b", "c"]);
  });

  test("leases that end at the same moment, the last ones, all give their claims back", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const leases = [await join(store), await join(store), await join(store)];
    for (const epoch of leases) await filesOf(store, 1, epoch);
    await Promise.all(leases.map((epoch) => store.leases.release(id, epoch)));
    const later = await join(store);
    expect(await store.claims.take(id, later, 9)).toEqual({
      files: ["a", "b", "c", "d"],
      left: 4,
      free: 0,
    });
  });

  test("many that ask at once get files of their own, and together all of them", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `f${index}`);
    const { store } = await withSession(open, names);
    const epochs = await Promise.all(Array.from({ length: 8 }, () => join(store)));
    const taken = await Promise.all(
      Array.from({ length: 120 }, (_, index) => store.claims.take(id, epochs[index % 8] as number, 1)),
    );
    expect(taken.flatMap(({ files }) => files)).toEqual(names);
    expect(taken.at(-1)).toEqual({ files: [], left: 100, free: 0 });
  });

  test("a session that is not running hands nothing out, and takes what is reported and given back", async () => {
    const { store } = await withSession(open, ["a", "b", "c"]);
    const one = await join(store);
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    await store.apply(id, { type: "transition", verb: "pause" });
    expect(await store.claims.take(id, one, 1)).toEqual({ files: [], left: 3, free: 1 });
    await store.report(id, { processed: ["a"] }, { epoch: one });
    await store.claims.giveBack(id, one, ["b"]);
    expect(await store.claims.take(id, one, 1)).toEqual({ files: [], left: 2, free: 2 });
    await store.apply(id, { type: "transition", verb: "resume" });
    expect(await filesOf(store, 3, one)).toEqual(["b", "c"]);
  });

  test("claims of files that are not pending any more end, and the others stay", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    expect(await filesOf(store, 1, two)).toEqual(["c"]);
    const checkpoint = { processed_files: ["a"], pending_files: ["x", "c", "b", "d"] };
    await store.apply(id, { type: "checkpoint", checkpoint }, { epoch: one });
    expect(await store.claims.held(id, one)).toEqual(["b"]);
    expect(await store.claims.take(id, one, 1)).toEqual({ files: ["x"], left: 4, free: 1 });
    await store.save(document("s", { pending_files: ["b", "a"] }), { epoch: one });
    expect(await store.claims.held(id, one)).toEqual(["b"]);
    expect(await store.claims.held(id, two)).toEqual([]);
    expect(await store.claims.take(id, two, 1)).toEqual({ files: ["a"], left: 2, free: 0 });
  });

  test("a file that is listed twice is claimed once", async () => {
    const { store } = await openFor(open);
    await store.save(document("s", { processed_files: ["c"], pending_files: ["a", "b", "a", "c"] }));
    const one = await join(store);
    expect(await store.claims.take(id, one, 2)).toEqual({ files: ["a", "b"], left: 4, free: 1 });
    await store.claims.giveBack(id, one, ["a"]);
    expect(await store.claims.take(id, one, 3)).toEqual({ files: ["a", "c"], left: 4, free: 0 });
    expect(await store.claims.held(id, one)).toEqual(["a", "b", "c"]);
    await store.claims.giveBack(id, one, ["c"]);
    // It is processed, and pending as well: somebody else may work on it now.
    expect(await codeOf(store.report(id, { processed: ["c"] }, { epoch: one }))).toBe("not_claimed");
    expect(await filesOf(store, 1, one)).toEqual(["c"]);
    await store.report(id, { processed: ["a", "c"] }, { epoch: one });
    expect(await store.claims.take(id, one, 1)).toEqual({ files: [], left: 1, free: 0 });
  });

  test("a session that is deleted and created anew has no claims", async () => {
    const opened = await withSession(open, ["a", "b"]);
    const { store } = opened;
    expect(await filesOf(store, 2, await join(store))).toEqual(["a", "b"]);
    await store.remove(id, { reason: "test", force: true });
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    expect(await store.claims.counts(id)).toEqual(new Map());
    expect(await filesOf(store, 1, await join(store))).toEqual(["a"]);
    await opened.reopen();
    expect(await filesOf(opened.store, 2, await join(opened.store))).toEqual(["b"]);
  });

  test("who waits for a free file is told", async () => {
    const { store } = await withSession(open, ["a", "b", "c", "d"]);
    const [one, two] = [await join(store), await join(store)];
    expect(await filesOf(store, 2, one)).toEqual(["a", "b"]);
    expect(await filesOf(store, 1, two)).toEqual(["c"]);
    expect(await filesOf(store, 1, two)).toEqual(["d"]);
    let told = 0;
    const stop = store.claims.onFree((of) => {
      if (of === "s") told++;
    });
    const expectTold = async (change: () => Promise<unknown>) => {
      const before = told;
      await change();
      expect(told).toBeGreaterThan(before);
    };
    await expectTold(() => store.claims.giveBack(id, one, ["b"]));
    await expectTold(() => store.report(id, { processed: ["a"], added: ["e"] }, { epoch: one }));
    await expectTold(() => store.apply(id, { type: "requeue", files: ["a"] }));
    await expectTold(() => store.leases.release(id, two));
    stop();
    const before = told;
    await store.apply(
      id,
      { type: "checkpoint", checkpoint: { processed_files: [], pending_files: ["z"] } },
      { epoch: one },
    );
    expect(told).toBe(before);
  });

  test.each(Object.entries(restarts))("claims outlive a %s", async (_, start) => {
    const opened = await withSession(open, ["a", "b", "c", "d", "e"]);
    const [one, two] = [
      await opened.store.leases.acquire(id, { shared: true }),
      await opened.store.leases.acquire(id, { shared: true }),
    ];
    expect(await filesOf(opened.store, 3, one.lease.epoch)).toEqual(["a", "b", "c"]);
    expect(await filesOf(opened.store, 1, two.lease.epoch)).toEqual(["d"]);
    await opened.store.report(id, { processed: ["b"] }, { epoch: one.lease.epoch });
    await opened.store.claims.giveBack(id, one.lease.epoch, ["a"]);
    await start(opened);
    const { store } = opened;
    expect(await store.claims.held(id, two.lease.epoch)).toEqual(["d"]);
    const { epoch } = (await store.leases.acquire(id, { shared: true, token: one.token })).lease;
    expect(await store.claims.held(id, epoch)).toEqual(["c"]);
    expect(await filesOf(store, 1, two.lease.epoch)).toEqual(["a"]);
    expect(await filesOf(store, 9, two.lease.epoch)).toEqual(["e"]);
    expect(await filesOf(store, 9, epoch)).toEqual([]);
  });

  test.each(Object.entries(restarts))("a claim that has ended stays so over a %s", async (_, start) => {
    const opened = await withSession(open, ["a", "b", "c"]);
    const { epoch } = (await opened.store.leases.acquire(id, { shared: true })).lease;
    expect(await filesOf(opened.store, 2, epoch)).toEqual(["a", "b"]);
    await opened.store.report(id, { processed: ["a"] }, { epoch });
    await opened.store.apply(id, { type: "requeue", files: ["a"] });
    for (const pending_files of [
      ["c", "a"],
      ["c", "a", "b"],
    ]) {
      const checkpoint = { processed_files: [], pending_files };
      await opened.store.apply(id, { type: "checkpoint", checkpoint }, { epoch });
    }
    await start(opened);
    expect(await opened.store.claims.held(id, epoch)).toEqual([]);
    expect(await filesOf(opened.store, 3, epoch)).toEqual(["c", "a", "b"]);
  });

  test("whatever order they come in: each file is claimed by one at most, and none is forgotten", async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, async (steps) => {
        const opened = await open();
        try {
          await runSteps(opened, steps);
        } finally {
          await opened.close();
        }
      }),
      runs(10, 80),
    );
  });
}
