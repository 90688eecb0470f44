/** Copies of one session in several daemons: the same state, whoever changed it and in whatever order. */
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Session } from "../../../../src/session/session.ts";
import type { SessionId } from "../../../../src/session/session-id.ts";
import { report } from "../../../../src/store/postgres/log/report.ts";
import type { SessionLog } from "../../../../src/store/postgres/log/session-log.ts";
import { jsonValue } from "../../../support/arbitraries.ts";
import { createDatabase, withoutPostgres } from "../../../support/postgres/database.ts";
import {
  beginLease,
  claim,
  endLease,
  giveBack,
  logOn,
  type OpenedLog,
  openedLog,
  rowOf,
  sessionOf,
  stateOf,
} from "./opened-log.ts";

const file = fc.constantFrom("a", "b", "c", "d", "e", "f", "g\0", "\ud800", "__proto__", "h\\0");
const files = fc.uniqueArray(file, { maxLength: 4 });

/** Workers that share the session, and their newest leases. No epoch is given out twice. */
class Workers {
  static #lastEpoch = 0;
  readonly #leases = new Map<number, { epoch: number; id: number }>();

  epoch(worker: number): number {
    return this.#leases.get(worker)?.epoch ?? 0;
  }

  /** The worker attaches, or comes back under a new epoch. */
  attach(worker: number): { epoch: number; id: number } {
    const epoch = ++Workers.#lastEpoch;
    const lease = { epoch, id: this.#leases.get(worker)?.id ?? epoch };
    this.#leases.set(worker, lease);
    return lease;
  }

  detach(worker: number): number {
    const { epoch = 0 } = this.#leases.get(worker) ?? {};
    this.#leases.delete(worker);
    return epoch;
  }
}

const worker = fc.integer({ min: 1, max: 3 });

type Step = (log: SessionLog, id: SessionId, workers: Workers) => Promise<unknown>;

const reporting = fc
  .record({ processed: files, added: files, results: fc.dictionary(file, jsonValue, { maxKeys: 2 }), worker })
  .map(
    ({ worker, ...delta }): Step =>
      (log, id, workers) => {
        return report(log, id, delta, { epoch: workers.epoch(worker) });
      },
  );

const claiming = fc.tuple(worker, fc.integer({ min: 1, max: 3 })).map(
  ([who, count]): Step =>
    (log, id, workers) =>
      claim(log, id, workers.epoch(who), count),
);

const givingBack = fc.tuple(worker, fc.integer({ min: 1, max: 2 })).map(
  ([who, count]): Step =>
    (log, id, workers) =>
      giveBack(log, id, workers.epoch(who), count),
);

const attaching = worker.map(
  (who): Step =>
    (log, id, workers) =>
      beginLease(log, id, workers.attach(who)),
);

const detaching = worker.map(
  (who): Step =>
    (log, id, workers) =>
      endLease(log, id, workers.detach(who)),
);

const reframing = fc.tuple(fc.constantFrom("running", "paused"), fc.boolean()).map(
  ([status, isElsewhere]): Step =>
    (log, id) => {
      return log.change(id, "row", (row) => {
        const checkpoint_time = isElsewhere ? "2026-03-01T00:00:00+02:00" : row.frame.checkpoint_time;
        const revision = row.summary.revision + 1;
        return row.setFrame({ ...row.frame, status, checkpoint_time, revision } as Session);
      });
    },
);

const replacing = files.map(
  (pending): Step =>
    (log, id) => {
      return log.change(id, "copy", async (row) => {
        const session = (await row.copy?.working.toSession()) as Session;
        const processed_files = session.processed_files.filter(
          (name) => !(pending as string[]).includes(name),
        );
        const revision = row.summary.revision + 1;
        await row.replace({ ...session, processed_files, pending_files: pending, revision });
      });
    },
);

const step = fc.oneof(
  ...[reporting, reporting, reporting, claiming, claiming, givingBack],
  ...[attaching, attaching, detaching, reframing, replacing],
);

describe.skipIf(withoutPostgres())("copies of one session in three daemons", () => {
  test("are alike, and as rows and journal say, whatever the daemons do at the same time", async () => {
    const database = await createDatabase();
    onTestFinished(() => database.drop());
    const opened = await Promise.all([1, 2, 3].map(() => openedLog(database.url)));
    const [first] = opened as [OpenedLog];
    const logs = opened.map(({ log }) => log);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(fc.nat(2), step), { minLength: 1, maxLength: 6 }), { maxLength: 6 }),
        async (rounds) => {
          const id = `s${count++}` as SessionId;
          const workers = new Workers();
          await first.log.create(sessionOf(id, ["a", "b", "c", "\ud800", "d"]));
          for (const who of [1, 2]) await beginLease(first.log, id, workers.attach(who));
          for (const round of rounds) {
            const done = round.map(([who, one]) => one(logs[who] as SessionLog, id, workers).catch(refused));
            await Promise.all(done);
          }
          const expected = await stateOf(logOn(first.database).log, id);
          for (const log of logs) expect(await stateOf(log, id)).toEqual(expected);
          expect(expected).toMatchObject((await rowOf(first.database, id)) as object);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** A refusal is an answer. Any other error is a fault. */
function refused(error: { code?: string }): void {
  if (!["lease_lost", "not_claimed", "lease_held"].includes(error.code ?? "")) throw error;
}
