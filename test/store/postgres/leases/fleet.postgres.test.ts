/** Leases and claims over several hosts on one database: stores in one process, each with its own network. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { SessionStore } from "../../../../src/store/session-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { testCluster } from "../../../support/postgres/cluster.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { runs } from "../../../support/runs.ts";
import { codeOf } from "../../suite/opened-store.ts";
import { type Host, startFleet } from "../fleet.ts";

const id = parseSessionId("s");
const config = { target_path: "/src" };
/** Of a host, where a test says nothing else. */
const leaseTtlMs = 1000;

function create(store: SessionStore, files: readonly string[] = []) {
  return store.create({ session_id: id, config, pending_files: files });
}

async function share(store: SessionStore): Promise<number> {
  return (await store.leases.acquire(id, { shared: true })).lease.epoch;
}

/** What a new lease gets. */
async function filesOf({ store }: Host): Promise<string[]> {
  return (await store.claims.take(id, await share(store), 99)).files;
}

const epochsOf = async ({ store }: Host) => (await store.leases.of(id)).map(({ epoch }) => epoch);

describe.skipIf(withoutPostgres())("leases over hosts", () => {
  test("one of fifty contenders on three hosts gets the lease, and all hosts see whose it is", async () => {
    const hosts = await (await startFleet()).hosts(3);
    await create((hosts[0] as Host).store);
    const tries = Array.from({ length: 51 }, async (_, at) => {
      const host = hosts[at % 3] as Host;
      return { host, code: await codeOf(host.store.leases.acquire(id, { worker: `w${at}` })) };
    });
    const tried = await Promise.all(tries);
    const [winner] = tried.filter(({ code }) => code === "ok");
    expect(tried.map(({ code }) => code).sort()).toEqual([...Array(50).fill("lease_held"), "ok"]);
    for (const host of hosts) {
      const [lease] = await host.store.leases.of(id);
      expect(lease?.elsewhere).toEqual(host === winner?.host ? undefined : { connected: true });
      expect(await host.store.leases.own()).toHaveLength(host === winner?.host ? 1 : 0);
    }
  });

  test("a token is good on any host, and the host that had the worker is told", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store, ["x"]);
    const { lease, token } = await a.store.leases.acquire(id, { worker: "w" });
    const moved = await b.store.leases.acquire(id, { token });
    expect(moved.token).toBe(token);
    expect(moved.lease.epoch).toBeGreaterThan(lease.epoch);
    expect(moved.lease.worker).toBe("w");
    expect(await codeOf(a.store.report(id, { processed: ["x"] }, { epoch: lease.epoch }))).toBe("lease_lost");
    await eventually(() =>
      expect(a.elsewhere).toContainEqual(
        expect.objectContaining({
          kind: "attached",
          lease: expect.objectContaining({ epoch: moved.lease.epoch }),
        }),
      ),
    );
    expect(await a.store.leases.own()).toEqual([]);
    await b.store.leases.release(id, moved.lease.epoch, "detached");
    expect(await codeOf(a.store.leases.acquire(id, { token }))).toBe("lease_lost");
  });

  test("what becomes of a worker on one host is told on the others, and not on its own", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store);
    const { lease } = await a.store.leases.acquire(id, { worker: "w" });
    await eventually(() => expect(b.elsewhere).toHaveLength(1));
    await a.store.leases.disconnected(id, lease.epoch);
    await eventually(() => expect(b.elsewhere).toHaveLength(2));
    expect((await b.store.leases.of(id))[0]?.elsewhere).toEqual({ connected: false });
    await a.store.leases.release(id, lease.epoch, "lost");
    await eventually(() => expect(b.elsewhere).toHaveLength(3));
    const short = { session_id: "s", epoch: lease.epoch, worker: "w" };
    expect(b.elsewhere).toEqual([
      { kind: "attached", lease: short, gone: false },
      { kind: "lost", lease: short, gone: false },
      { kind: "lost", lease: short, gone: true },
    ]);
    expect(a.elsewhere).toEqual([]);
  });

  test("each lease of a lost host becomes one other host's, and its claims go back when it ends", async () => {
    const fleet = await startFleet();
    const [a, b, c] = (await fleet.hosts(3)) as [Host, Host, Host];
    await create(a.store, ["x", "y", "z"]);
    const other = parseSessionId("t");
    await a.store.create({ session_id: other, config });
    const lost = await share(a.store);
    const alone = (await a.store.leases.acquire(other, {})).lease.epoch;
    expect((await a.store.claims.take(id, lost, 2)).files).toEqual(["x", "y"]);
    const stays = await share(b.store);
    a.vanish();
    await eventually(() => expect([...b.orphaned, ...c.orphaned]).toHaveLength(2));
    expect([...b.orphaned, ...c.orphaned].map(({ epoch }) => epoch).sort()).toEqual([lost, alone].sort());
    expect(await epochsOf(b)).toEqual([lost, stays]);
    const heirs = [b, c].filter(({ orphaned }) => orphaned.some(({ epoch }) => epoch === lost));
    expect(heirs).toHaveLength(1);
    let freed = 0;
    b.store.claims.onFree(() => freed++);
    await (heirs[0] as Host).store.leases.release(id, lost, "lost");
    expect(await epochsOf(c)).toEqual([stays]);
    await eventually(() => expect(freed).toBeGreaterThan(0));
    expect((await b.store.claims.take(id, stays, 9)).files).toEqual(["x", "y", "z"]);
    // Nobody gets them once more.
    expect([...b.orphaned, ...c.orphaned]).toHaveLength(2);
  });

  test("a host that was away for too long is told, and keeps nothing of what it still gets", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store, ["x", "y"]);
    const { lease, token } = await a.store.leases.acquire(id, { worker: "w" });
    await a.store.report(id, { processed: ["x"] }, { epoch: lease.epoch });
    a.vanish();
    await eventually(() => expect(b.orphaned).toHaveLength(1));
    await b.store.leases.release(id, lease.epoch, "lost");
    const successor = await b.store.leases.acquire(id, {});
    await b.store.report(id, {}, { epoch: successor.lease.epoch });
    a.comeBack();
    await a.store.availability.back();
    expect(await codeOf(a.store.report(id, { processed: ["y"] }, { epoch: lease.epoch }))).toBe("lease_lost");
    expect(await codeOf(a.store.leases.acquire(id, { token }))).toBe("lease_lost");
    await eventually(() =>
      expect(a.elsewhere).toContainEqual(expect.objectContaining({ kind: "lost", gone: true })),
    );
    expect(a.elsewhere.filter(({ kind, gone }) => kind === "lost" && gone)).toHaveLength(1);
    expect((await b.store.read(id)).session).toMatchObject({ processed_files: ["x"], pending_files: ["y"] });
    // It is a host like any other again.
    expect(await a.store.leases.own()).toEqual([]);
    expect(a.orphaned).toEqual([]);
  });

  test("a host that starts anew in time takes its leases back, with their claims", async () => {
    // Long enough for a start on a busy machine.
    const fleet = await startFleet({ leaseTtlMs: 3000 });
    const [a, b] = (await fleet.hosts(2)) as [Host, Host];
    await create(a.store, ["x", "y"]);
    const { lease, token } = await a.store.leases.acquire(id, { shared: true });
    expect((await a.store.claims.take(id, lease.epoch, 1)).files).toEqual(["x"]);
    a.vanish();
    const since = performance.now();
    const again = await a.startAnew();
    expect(await again.store.leases.own()).toEqual([lease]);
    const back = await again.store.leases.acquire(id, { token, shared: true });
    expect(await again.store.claims.held(id, back.lease.epoch)).toEqual(["x"]);
    // Otherwise it would be found lost by now.
    await eventually(() => expect(performance.now() - since).toBeGreaterThan(5000));
    expect(b.orphaned).toEqual([]);
    expect(await epochsOf(b)).toEqual([back.lease.epoch]);
  });

  test("the earlier one of two daemons with one host id fails, and says so", async () => {
    const fleet = await startFleet();
    const first = await fleet.host("same");
    const second = await first.startAnew();
    const error = await first.store.failed;
    expect(error).toMatchObject({ code: "storage_failed", message: expect.stringContaining("storage.host") });
    await create(second.store);
    expect(await codeOf(second.store.leases.acquire(id, {}))).toBe("ok");
  });

  test("nobody is lost because the database was away for longer than their time", async () => {
    const server = await testCluster();
    const hosts = (await (await startFleet({ server })).hosts(2)) as [Host, Host];
    const [a, b] = hosts;
    await create(a.store, ["x", "y", "z"]);
    const [one, two] = [await share(a.store), await share(b.store)];
    expect((await a.store.claims.take(id, one, 1)).files).toEqual(["x"]);
    await server.stop("immediate");
    const since = performance.now();
    await eventually(() => expect(performance.now() - since).toBeGreaterThan(2 * leaseTtlMs));
    await server.start();
    await Promise.all(hosts.map(({ store }) => store.availability.back()));
    const back = performance.now();
    await eventually(() => expect(performance.now() - back).toBeGreaterThan(4 * leaseTtlMs));
    expect([...a.orphaned, ...b.orphaned]).toEqual([]);
    expect(await epochsOf(a)).toEqual([one, two]);
    expect(await codeOf(a.store.report(id, { processed: ["x"] }, { epoch: one }))).toBe("ok");
  });

  test("nobody is lost because the database stood still, and whoever is lost afterwards is", async () => {
    const server = await testCluster();
    const [a, b] = (await (await startFleet({ server })).hosts(2)) as [Host, Host];
    await create(a.store);
    await a.store.leases.acquire(id, {});
    server.freeze();
    const since = performance.now();
    await eventually(() => expect(performance.now() - since).toBeGreaterThan(2 * leaseTtlMs));
    server.thaw();
    await Promise.all([a, b].map(({ store }) => store.availability.back()));
    const back = performance.now();
    await eventually(() => expect(performance.now() - back).toBeGreaterThan(4 * leaseTtlMs));
    expect(b.orphaned).toEqual([]);
    a.vanish();
    await eventually(() => expect(b.orphaned).toHaveLength(1));
  });

  test("a release that could not be written is written when the database is back", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store);
    const { lease } = await a.store.leases.acquire(id, {});
    a.vanish();
    expect(await codeOf(a.store.leases.release(id, lease.epoch, "detached"))).toBe("storage_unavailable");
    a.comeBack();
    await eventually(async () => expect(await epochsOf(b)).toEqual([]));
  });
});

describe.skipIf(withoutPostgres())("claims over hosts", () => {
  test("a lease and a claim whose reply was lost are there once, and whoever asked has them", async () => {
    const [a, b] = (await (await startFleet({ leaseTtlMs: 10_000 })).hosts(2)) as [Host, Host];
    await create(a.store, ["x", "y"]);
    // As a whole statement, and not in the name of a setting.
    const commit = "commit\0";
    let lost = a.network.loseReply(commit);
    const { lease, token } = await a.store.leases.acquire(id, { shared: true });
    await lost;
    expect(await epochsOf(b)).toEqual([lease.epoch]);
    lost = a.network.loseReply("sessiond.batches");
    const { files } = await a.store.claims.take(id, lease.epoch, 1);
    await lost;
    expect(files).toEqual(["x"]);
    const moved = await b.store.leases.acquire(id, { shared: true, token });
    expect(await b.store.claims.held(id, moved.lease.epoch)).toEqual(["x"]);
    lost = b.network.loseReply(commit);
    await b.store.leases.release(id, moved.lease.epoch, "lost");
    await lost;
    expect(await epochsOf(a)).toEqual([]);
    expect(await filesOf(a)).toEqual(["x", "y"]);
  });

  test("many that ask on three hosts at once get files of their own, and together all of them", async () => {
    const hosts = await (await startFleet()).hosts(3);
    const names = Array.from({ length: 120 }, (_, at) => `f${at}`);
    await create((hosts[0] as Host).store, names);
    const leases = await Promise.all(
      Array.from({ length: 6 }, async (_, at) => {
        const host = hosts[at % 3] as Host;
        return { host, epoch: await share(host.store) };
      }),
    );
    const taken = await Promise.all(
      Array.from({ length: 150 }, (_, at) => {
        const { host, epoch } = leases[at % 6] as (typeof leases)[0];
        return host.store.claims.take(id, epoch, 1);
      }),
    );
    const files = taken.flatMap((one) => one.files);
    expect(new Set(files).size).toBe(files.length);
    expect(files.sort()).toEqual(names.sort());
    for (const { store } of hosts) {
      const counts = await store.claims.counts(id);
      expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(120);
    }
  });

  test("the fair part counts the leases of all hosts", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store, ["1", "2", "3", "4", "5", "6"]);
    const one = await share(a.store);
    await share(b.store);
    await share(b.store);
    expect((await a.store.claims.take(id, one, 9)).files).toEqual(["1", "2"]);
  });

  test("whoever waits is woken by what another host gives back, reports, adds and ends", async () => {
    const [a, b] = (await (await startFleet()).hosts(2)) as [Host, Host];
    await create(a.store, ["1", "2", "3"]);
    const [one, two] = [await share(a.store), await share(b.store)];
    expect((await a.store.claims.take(id, one, 9)).files).toEqual(["1", "2"]);
    expect((await b.store.claims.take(id, two, 9)).files).toEqual(["3"]);
    let woken = 0;
    b.store.claims.onFree(() => woken++);
    for (const change of [
      () => a.store.claims.giveBack(id, one, ["2"]),
      () => a.store.report(id, { processed: ["1"], added: ["4"] }, { epoch: one }),
      () => a.store.apply(id, { type: "requeue", files: ["1"] }),
      () => a.store.leases.release(id, one),
    ]) {
      const before = woken;
      await change();
      await eventually(() => expect(woken).toBeGreaterThan(before));
    }
    expect((await b.store.claims.take(id, two, 9)).files).toHaveLength(3);
  });

  const step = fc.record({
    of: fc.nat(3),
    do: fc.constantFrom("take", "take", "take", "report", "give back", "end", "end"),
    count: fc.integer({ min: 1, max: 3 }),
  });

  test("whatever hosts do at once: no file is two workers', and none is processed twice or forgotten", async () => {
    const hosts = await (await startFleet()).hosts(2);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 6 }), async (rounds) => {
        const { store } = hosts[0] as Host;
        if (await store.has(id)) await store.remove(id, { reason: "test", force: true, purge: true });
        const names = Array.from({ length: 12 }, (_, at) => `f${at}`);
        await create(store, names);
        const workers = await Promise.all(
          [0, 1, 2, 3].map(async (at) => {
            const host = hosts[at % 2] as Host;
            return { host, epoch: await share(host.store), holds: new Set<string>(), gone: false };
          }),
        );
        const processed: string[] = [];
        for (const round of rounds) {
          await Promise.all(
            round.map(async (one) => {
              const worker = workers[one.of] as (typeof workers)[0];
              const { claims, leases } = worker.host.store;
              const files = [...worker.holds].slice(0, one.count);
              if (worker.gone) return;
              try {
                if (one.do === "take") {
                  const taken = await claims.take(id, worker.epoch, one.count);
                  if (!worker.gone) for (const name of taken.files) worker.holds.add(name);
                } else if (one.do === "report" && files.length > 0) {
                  for (const name of files) worker.holds.delete(name);
                  await worker.host.store.report(id, { processed: files }, { epoch: worker.epoch });
                  processed.push(...files);
                } else if (one.do === "give back" && files.length > 0) {
                  for (const name of files) worker.holds.delete(name);
                  await claims.giveBack(id, worker.epoch, files);
                } else if (one.do === "end" && one.of > 1) {
                  worker.gone = true;
                  worker.holds.clear();
                  await leases.release(id, worker.epoch, "lost");
                }
              } catch (error) {
                // Its lease ended meanwhile.
                if (!worker.gone) throw error;
              }
            }),
          );
          const held = workers.flatMap(({ holds }) => [...holds]);
          expect(new Set(held).size).toBe(held.length);
          expect(held.filter((name) => processed.includes(name))).toEqual([]);
        }
        expect(new Set(processed).size).toBe(processed.length);
        for (const { host, epoch, holds, gone } of workers) {
          if (gone) continue;
          expect(new Set(await host.store.claims.held(id, epoch))).toEqual(holds);
        }
        for (const host of hosts) {
          const { session } = await host.store.read(id);
          expect(session.processed_files.toSorted()).toEqual(processed.toSorted());
          expect([...session.processed_files, ...session.pending_files].sort()).toEqual(names.toSorted());
        }
      }),
      runs(8, 100),
    );
  });
});
