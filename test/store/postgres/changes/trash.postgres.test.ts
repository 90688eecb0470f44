/** The trash of several hosts on one database. */
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { codesOf, config } from "../../suite/opened-store.ts";
import { startFleet } from "../fleet.ts";

const id = parseSessionId("s");

describe.skipIf(withoutPostgres())("the trash in PostgreSQL", () => {
  test("is emptied by two hosts at once, of each session once, and leaves nothing but revisions", async () => {
    const { database, hosts } = await startFleet();
    const [a, b] = (await hosts(2)).map(({ store }) => store);
    if (a === undefined || b === undefined) throw new Error("no hosts");
    const names = Array.from({ length: 250 }, (_, n) => parseSessionId(`s${n}`));
    for (const name of names) {
      await a.create({ session_id: name, config });
      await a.report(name, { processed: ["f"] });
    }
    await Promise.all(names.map((name) => a.remove(name, { reason: "test" })));
    await b.create({ session_id: "s0", config });
    const emptied = await Promise.all([a.emptyTrash(), b.emptyTrash()]);
    const entries = emptied.flatMap((one) => one.entries.map(({ session_id }) => session_id));
    expect(entries.sort()).toEqual([...names].sort());
    for (const table of ["sessions", "documents"]) {
      const [{ n } = {}] = await database.query(`select count(*)::int as n from sessiond.${table}`);
      expect([table, n]).toEqual([table, 1]);
    }
    expect(await database.query("select from sessiond.journal")).toEqual([]);
    expect((await b.summary(parseSessionId("s0"))).revision).toBe(3);
    expect((await b.create({ session_id: "s1", config })).summary.revision).toBe(3);
  });

  test("of restores and creations of one id on several hosts, one succeeds, and nothing is lost", async () => {
    const { hosts } = await startFleet();
    const stores = (await hosts(3)).map(({ store }) => store);
    const [first] = stores;
    for (let round = 0; round < 10; round++) {
      await first?.create({ session_id: id, config });
      await first?.remove(id, { reason: "test" });
      const tries = stores.flatMap((store, n) => [
        [`restore ${n}`, store.restoreTrash(id)] as const,
        [`create ${n}`, store.create({ session_id: id, config })] as const,
      ]);
      const codes = Object.values(await codesOf(Object.fromEntries(tries)));
      expect(codes.filter((code) => code === "ok")).toHaveLength(1);
      const refusals = codes.filter((code) => code !== "ok");
      for (const code of refusals) expect(code).toMatch(/^session_(exists|not_found)$/);
      const wasCreated = (await first?.listTrash())?.total === 1;
      expect((await first?.summary(id))?.session_id).toBe("s");
      await first?.remove(id, { reason: "test", purge: true });
      if (wasCreated) await first?.emptyTrash();
      expect((await first?.listTrash())?.total).toBe(0);
    }
  });
});
