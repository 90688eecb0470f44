import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { Removal } from "../../../../src/store/postgres/log/log.ts";
import { testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";
import { openedLog, sessionOf } from "./opened-log.ts";

const id = (n: number) => parseSessionId(`s-${n}`);
const removal = (n: number, check: Removal["check"] = () => {}): Removal => ({
  trashId: `t-${n}`,
  reason: "test",
  check,
});

describe.skipIf(withoutPostgres())("sessions that are removed at once", () => {
  test("go in few transactions, each told once; one that must stay stays", async () => {
    const { url } = await testDatabase();
    const { log, database, changes } = await openedLog(url);
    for (let n = 0; n < 60; n++) await log.create(sessionOf(id(n), []));
    await database.query(`insert into sessiond.leases (epoch, sid, lease_id, session_id, shared, host_id, since_us)
      select sid, sid, 1, id, false, 'h', 1 from sessiond.sessions where id in ('s-3', 's-4')`);
    changes.length = 0;
    const refuseLeased: Removal["check"] = ({ session_id }, leases) => {
      if (leases.size > 0 && session_id === "s-3") throw new Error("leased");
    };
    const results = await Promise.allSettled(
      Array.from({ length: 61 }, (_, n) => log.remove(id(n), removal(n, refuseLeased))),
    );
    const failed = results.flatMap((result, n) => (result.status === "rejected" ? [[n, result.reason]] : []));
    expect(failed).toEqual([
      [3, expect.objectContaining({ message: "leased" })],
      [60, expect.objectContaining({ code: "session_not_found" })],
    ]);
    expect(results[5]).toMatchObject({ value: { session_id: "s-5", revision: 1 } });
    expect(changes.map((change) => change.id).sort()).toEqual(
      Array.from({ length: 60 }, (_, n) => `s-${n}`)
        .filter((name) => name !== "s-3")
        .sort(),
    );
    expect(changes[0]).toMatchObject({ kind: "x", seqBefore: 1, seqAfter: 2, gone: { restorable: true } });
    const [{ ops } = {}] = await database.query<{ ops: number }>(
      "select count(distinct op) as ops from sessiond.changes where kind = 'x'",
    );
    expect(ops).toBeLessThan(10);
    expect(await database.query("select session_id from sessiond.leases")).toEqual([{ session_id: "s-3" }]);
    const [row] = await database.query(
      "select trash_id, removed_reason from sessiond.sessions where id = 's-7' and removed_us is not null",
    );
    expect(row).toEqual({ trash_id: "t-7", removed_reason: "test" });
    await expect(log.remove(id(7), removal(7))).rejects.toMatchObject({ code: "session_deleted" });
  });

  test("do not wait for one that somebody else has locked, and it goes later", async () => {
    const { url } = await testDatabase();
    const { log, database } = await openedLog(url);
    for (let n = 0; n < 5; n++) await log.create(sessionOf(id(n), []));
    let removing: Promise<unknown> = Promise.resolve();
    await database.transaction(async (tx) => {
      await tx.query("update sessiond.sessions set revision = 9 where id = 's-2'");
      removing = log.remove(id(2), removal(2));
      await Promise.all([0, 1, 3, 4].map((n) => log.remove(id(n), removal(n))));
    });
    expect(await removing).toMatchObject({ session_id: "s-2", revision: 9 });
    const left = await database.query("select id from sessiond.sessions where removed_us is null");
    expect(left).toEqual([]);
  });
});
