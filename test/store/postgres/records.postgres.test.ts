/** Records that the daemons of several hosts share. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { withoutPostgres } from "../../support/postgres/database.ts";
import { startFleet } from "./fleet.ts";

describe.skipIf(withoutPostgres())("records in PostgreSQL", () => {
  test("are updated by several hosts, and no update is lost", async () => {
    const { hosts } = await startFleet();
    const all = await hosts(3);
    const add = (value: number | undefined) => (value ?? 0) + 1;
    const updates = Array.from({ length: 60 }, (_, n) =>
      all[n % 3]?.store.records.update("count", z.number(), add),
    );
    expect(new Set(await Promise.all(updates))).toEqual(new Set(Array.from({ length: 60 }, (_, n) => n + 1)));
    expect(await all[1]?.store.records.load("count")).toBe(60);
  });

  test("that do not fit are kept aside, and begun anew", async () => {
    const { host } = await startFleet();
    const { records } = (await host("a")).store;
    await records.replace("one", { odd: 1 });
    expect(await records.load("one", z.string())).toBeUndefined();
    expect(await records.load("one")).toBeUndefined();
    expect(await records.load("one.set-aside")).toEqual({ odd: 1 });
    await records.replace("two", 7);
    expect(await records.update("two", z.string(), (value) => value ?? "new")).toBe("new");
    expect(await records.load("two")).toBe("new");
    expect(await records.load("two.set-aside")).toBe(7);
  });

  test("a log has the entries of all hosts, and loses the oldest when there are too many", async () => {
    const { database, hosts } = await startFleet();
    const [a, b] = await hosts(2);
    await a?.store.records.append("log", ["first"]);
    await database.query(
      "insert into sessiond.entries (name, entry) select 'log', '1' from generate_series(1, 100000)",
    );
    const many = Array.from({ length: 1000 }, (_, n) => n);
    await b?.store.records.append("log", many);
    const page = await a?.store.records.tail("log", 1000);
    expect(page?.entries).toEqual(many.reverse());
    const [{ n, oldest } = {}] = await database.query(
      "select count(*)::int as n, min(convert_from(entry, 'UTF8')) as oldest from sessiond.entries",
    );
    expect([n, oldest]).toEqual([100_000, "0"]);
  });
});
