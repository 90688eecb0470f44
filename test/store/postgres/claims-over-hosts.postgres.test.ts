/**
 * The model of claims holds over two hosts that are asked in turn. Calls at the same time on one host are
 * made in the order of the calls; over two hosts the database decides. So the steps with such calls look at
 * what came out.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withoutPostgres } from "../../support/postgres/database.ts";
import { runs } from "../../support/runs.ts";
import { anySteps, type Run, runSteps, shared, steps } from "../suite/claims-model.ts";
import { codeOf } from "../suite/opened-store.ts";
import { openTwo } from "./two-hosts.ts";

const inAnyOrder: Readonly<Record<string, Run>> = {
  /** Each gets one of the first free files, while there are any. */
  async "take at once"(model, { store }) {
    const { free, workers } = model;
    const taken = await Promise.all(workers.map(({ epoch }) => store.claims.take(shared, epoch, 1)));
    const files = taken.flatMap((one) => one.files);
    expect(files.toSorted()).toEqual(model.isRunning ? free.slice(0, workers.length).toSorted() : []);
    for (const [index, one] of taken.entries()) {
      expect(one.files.length).toBeLessThanOrEqual(1);
      for (const file of one.files) model.hold(file, index);
    }
  },

  /** What the worker asked for over its lost connection comes before its return, or is refused. */
  async "come back"(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    const { token } = worker;
    const [first] = model.isRunning ? model.free : [];
    const [under, { lease }] = await Promise.all([
      store.claims.take(shared, worker.epoch, 1).catch((error: unknown) => codeOf(Promise.reject(error))),
      store.leases.acquire(shared, { shared: true, token }),
    ]);
    if (typeof under === "string") expect(under).toBe("lease_lost");
    else {
      expect(under.files).toEqual(first === undefined ? [] : [first]);
      if (first !== undefined) model.hold(first, model.workers.indexOf(worker));
    }
    model.over.push(worker.epoch);
    worker.epoch = lease.epoch;
    expect(await store.claims.held(shared, lease.epoch)).toEqual(model.heldBy(worker));
  },

  /** The report comes before the end of the lease, or is refused. */
  async "end while a report is under way"(model, { store }, pick) {
    const worker = pick(model.workers);
    const file = worker && pick(model.heldBy(worker));
    if (worker === undefined || file === undefined) return;
    const { epoch } = worker;
    const result = model.merged;
    const [code] = await Promise.all([
      codeOf(store.report(shared, { processed: [file], results: { [file]: result } }, { epoch })),
      store.leases.release(shared, epoch),
    ]);
    if (code === "ok") model.finish(file, result);
    else expect(code).toBe("lease_lost");
    model.end(worker);
  },
};

describe.skipIf(withoutPostgres())("claims over two hosts", () => {
  const open = openTwo();

  test("are as on one, whatever workers do in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, async (all) => {
        const opened = await open();
        try {
          await runSteps(opened, all, { ...steps, ...inAnyOrder });
        } finally {
          await opened.close();
        }
      }),
      runs(8, 100),
    );
  });
});
