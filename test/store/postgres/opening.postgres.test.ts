/** Opening a store in PostgreSQL: who makes the tables, and what if the database is away. */
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../src/log.ts";
import { openPostgresStore } from "../../../src/store/postgres/postgres-store.ts";
import { urlOf } from "../../support/postgres/cluster.ts";
import { sharedPostgres, testDatabase, withoutPostgres } from "../../support/postgres/database.ts";
import { testProxy } from "../../support/postgres/proxy.ts";
import { codeOf, config } from "../suite/opened-store.ts";

function open(url: string) {
  const times = { leaseTtlMs: 1000, pollIntervalMs: 100 };
  const storage = { kind: "postgres", url, ...times, durability: "trust" } as const;
  return openPostgresStore({ storage, logger: silentLogger });
}

describe.skipIf(withoutPostgres())("opening a store in PostgreSQL", () => {
  test("many at once make the tables once, and are one store", async () => {
    const { url, query } = await testDatabase();
    const stores = await Promise.all(Array.from({ length: 5 }, () => open(url)));
    for (const store of stores) onTestFinished(() => store.close());
    await stores[0]?.create({ session_id: "s", config });
    for (const store of stores) expect((await store.list()).total).toBe(1);
    expect(await query("select version from sessiond.meta")).toHaveLength(1);
  });

  test("is refused over tables of a later version", async () => {
    const { url, query } = await testDatabase();
    await (await open(url)).close();
    await query("update sessiond.meta set version = version + 1");
    expect(await codeOf(open(url))).toBe("storage_too_new");
  });

  test("works while the database is away, and the store with it once it is back", async () => {
    const server = sharedPostgres();
    const { name } = await testDatabase();
    const network = await testProxy(server);
    network.refuse(true);
    const store = await open(urlOf(network, name));
    onTestFinished(() => store.close());
    for (const task of [store.create({ session_id: "s", config }), store.list(), store.leases.all()])
      expect(await codeOf(task)).toBe("storage_unavailable");
    expect(await store.facts()).toMatchObject({ kind: "postgres", available: false });
    expect(await store.health()).not.toEqual([]);
    network.refuse(false);
    await store.availability.back();
    await store.create({ session_id: "s", config });
    expect((await store.list()).total).toBe(1);
    expect(await store.health()).toEqual([]);
  });

  test("ends a store whose tables turn out to be of a later version", async () => {
    const { name, url, query } = await testDatabase();
    await (await open(url)).close();
    await query("update sessiond.meta set version = version + 1");
    const network = await testProxy(sharedPostgres());
    network.refuse(true);
    const store = await open(urlOf(network, name));
    onTestFinished(() => store.close());
    network.refuse(false);
    expect(await store.failed).toMatchObject({ code: "storage_too_new" });
    expect(await codeOf(store.create({ session_id: "s", config }))).toBe("storage_too_new");
  });
});
