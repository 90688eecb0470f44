/** Leases: one worker reports on a session at a time, and what an earlier one still sends is refused. */
import { hostname } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command } from "../../../src/session/command.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { Acquired, Lease } from "../../../src/store/session-store.ts";
import { runs } from "../../support/runs.ts";
import {
  codeOf,
  config,
  document,
  type OpenedStore,
  type OpenStore,
  restarts,
  withSession,
} from "./opened-store.ts";

const id = parseSessionId("s");

const checkpoint: Command = {
  type: "checkpoint",
  checkpoint: { processed_files: ["x"], pending_files: [] },
};

export function leaseTests(open: OpenStore): void {
  test("one of many that ask at once gets the lease", async () => {
    const { store } = await withSession(open);
    const tries = await Promise.all(Array.from({ length: 20 }, () => codeOf(store.leases.acquire(id, {}))));
    expect(tries.sort()).toEqual([...Array(19).fill("lease_held"), "ok"]);
    expect(await store.leases.all()).toHaveLength(1);
  });

  test("a lease has a higher epoch than every one before, of any session, and can be looked up", async () => {
    const { store } = await withSession(open);
    const { generation } = await store.summary(id);
    const other = (await store.create({ session_id: "t", config })).summary;
    const { lease: first } = await store.leases.acquire(id, { worker: "w", process: "p" });
    const { lease: second } = await store.leases.acquire(parseSessionId("t"), {});
    expect(first).toEqual({
      session_id: "s",
      epoch: first.epoch,
      shared: false,
      worker: "w",
      process: "p",
      host: hostname(),
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      generation,
    });
    expect(second).toEqual({
      session_id: "t",
      epoch: second.epoch,
      shared: false,
      worker: null,
      process: null,
      host: hostname(),
      since: expect.any(String),
      generation: other.generation,
    });
    expect(second.since > first.since).toBe(true);
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(await store.leases.of("s")).toEqual([first]);
    expect(new Set(await store.leases.all())).toEqual(new Set([first, second]));
    expect(await store.leases.among(["other", "s"])).toEqual([first]);
    await store.leases.release(id, first.epoch);
    expect(await store.leases.of("s")).toEqual([]);
    expect((await store.leases.acquire(id, {})).lease.epoch).toBeGreaterThan(second.epoch);
  });

  test("its token is told to its holder alone, and is another one for each lease", async () => {
    const { store } = await withSession(open);
    const tokens = new Set<string>();
    for (let count = 0; count < 20; count++) {
      const { lease, token } = await store.leases.acquire(id, {});
      // At least 128 bits.
      expect(token).toMatch(/^[\w-]{22,}$/);
      tokens.add(token);
      const told = [lease, await store.leases.of("s"), await store.leases.all(), await store.facts()];
      expect(JSON.stringify(told)).not.toContain(token);
      expect(JSON.stringify([await store.records.load("leases")])).not.toContain(token);
      await store.leases.release(id, lease.epoch);
    }
    expect(tokens.size).toBe(20);
  });

  test("its holder alone reports, checkpoints and saves; the other changes are anybody's", async () => {
    const { store } = await withSession(open);
    const { epoch } = (await store.leases.acquire(id, { worker: "w" })).lease;
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
    const { lease: first, token } = await store.leases.acquire(id, { worker: "w" });
    const second = await store.leases.acquire(id, { token });
    expect(second).toEqual({ lease: { ...first, epoch: second.lease.epoch }, token });
    expect(second.lease.epoch).toBeGreaterThan(first.epoch);
    const late = store.report(id, { processed: ["a"] }, { epoch: first.epoch });
    await expect(late).rejects.toMatchObject({ code: "lease_lost", outcome: "not_applied" });
    const third = await store.leases.acquire(id, { token, worker: "renamed" });
    expect([third.token, third.lease.worker]).toEqual([token, "renamed"]);
    await store.report(id, { processed: ["a"] }, { epoch: third.lease.epoch });
    expect(await codeOf(store.leases.acquire(id, { token }))).toBe("ok");
  });

  test("nobody goes on with it who does not know its token", async () => {
    const { store } = await withSession(open);
    await store.create({ session_id: "t", config });
    const elsewhere = await store.leases.acquire(parseSessionId("t"), {});
    expect(await codeOf(store.leases.acquire(id, { token: elsewhere.token }))).toBe("lease_lost");
    const { lease, token } = await store.leases.acquire(id, {});
    const { epoch } = lease;
    const guesses = ["", " ", `${epoch}`, `${token} `, token.slice(1), token.toUpperCase(), elsewhere.token];
    for (const guess of guesses) {
      const stealing = store.leases.acquire(id, { token: guess });
      await expect(stealing, guess).rejects.toMatchObject({ code: "lease_lost", outcome: "not_applied" });
      expect((await stealing.catch((error: Error) => error)) as Error).not.toMatchObject({
        message: expect.stringContaining(token),
      });
    }
    expect(await store.leases.of("s")).toEqual([lease]);
    expect(await codeOf(store.report(id, {}, { epoch }))).toBe("ok");
  });

  test("its token is over when it has ended, and when a successor has the session", async () => {
    const { store } = await withSession(open);
    const first = await store.leases.acquire(id, {});
    await store.leases.release(id, first.lease.epoch);
    expect(await codeOf(store.leases.acquire(id, { token: first.token }))).toBe("lease_lost");
    const second = await store.leases.acquire(id, {});
    expect(await codeOf(store.leases.acquire(id, { token: first.token }))).toBe("lease_lost");
    expect(await store.leases.of("s")).toEqual([second.lease]);
  });

  test("its token does not lead to a later session of the same id", async () => {
    const opened = await withSession(open);
    const { token } = await opened.store.leases.acquire(id, {});
    await opened.store.remove(id, { reason: "test", force: true });
    await opened.store.create({ session_id: id, config });
    expect(await codeOf(opened.store.leases.acquire(id, { token }))).toBe("lease_lost");
    await opened.reopen();
    expect(await codeOf(opened.store.leases.acquire(id, { token }))).toBe("lease_lost");
    expect(await opened.store.leases.all()).toEqual([]);
  });

  test("releasing a lease that is another one by now does nothing", async () => {
    const { store } = await withSession(open);
    const { lease: first, token } = await store.leases.acquire(id, {});
    const { lease: second } = await store.leases.acquire(id, { token });
    await store.leases.release(id, first.epoch);
    await store.leases.release(parseSessionId("other"), second.epoch);
    expect(await store.leases.of("s")).toEqual([second]);
    await store.leases.release(id, second.epoch);
    expect(await codeOf(store.leases.acquire(id, { token }))).toBe("lease_lost");
  });

  test.each([true, false])(
    "keeps its session from being removed, unless by force (purged: %s)",
    async (purge) => {
      const { store } = await withSession(open);
      const { epoch } = (await store.leases.acquire(id, {})).lease;
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

  test.each(Object.entries(restarts))("outlives a %s, with its epoch and its token", async (_, start) => {
    const opened = await withSession(open);
    const { lease: kept, token } = await opened.store.leases.acquire(id, { worker: "w" });
    await opened.store.create({ session_id: "t", config });
    const { lease: released } = await opened.store.leases.acquire(parseSessionId("t"), {});
    await opened.store.leases.release(parseSessionId("t"), released.epoch);
    await opened.store.report(id, { processed: ["a"] }, { epoch: kept.epoch });
    await start(opened);
    expect(await opened.store.leases.all()).toEqual([kept]);
    expect(await codeOf(opened.store.report(id, { processed: ["b"] }))).toBe("lease_held");
    const wrong = opened.store.leases.acquire(id, { token: `${kept.epoch}` });
    expect(await codeOf(wrong)).toBe("lease_lost");
    const { lease: next } = await opened.store.leases.acquire(id, { token });
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
  let last: Pick<Acquired, "token"> & { lease: Pick<Lease, "epoch"> } = { lease: { epoch: 0 }, token: "" };
  const over: number[] = [];
  const reported: string[] = [];
  const take = (acquired: Acquired) => {
    const { epoch } = acquired.lease;
    expect(epoch).toBeGreaterThan(last.lease.epoch);
    if (held !== undefined) over.push(held);
    [held, last] = [epoch, acquired];
  };
  for (const [at, what] of steps.entries()) {
    const { store } = opened;
    const delta = { processed: [`${at}`] };
    if (what === "start") await opened.reopen();
    else if (what === "acquire" && held === undefined) take(await store.leases.acquire(id, {}));
    else if (what === "acquire") expect(await codeOf(store.leases.acquire(id, {}))).toBe("lease_held");
    else if (what === "go on" && held !== undefined)
      take(await store.leases.acquire(id, { token: last.token }));
    else if (what === "go on")
      expect(await codeOf(store.leases.acquire(id, { token: last.token }))).toBe("lease_lost");
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
    expect((await opened.store.leases.of(id))[0]?.epoch).toBe(held);
  }
  expect((await opened.store.read(id)).session.processed_files).toEqual(reported);
}
