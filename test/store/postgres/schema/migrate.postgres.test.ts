/** Who creates the tables, and who is refused. */
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import { testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";

async function opened(url: string) {
  const options = { url, leaseTtlMs: 2000, durability: "trust" } as const;
  const database = await openDatabase(options, { logger: silentLogger });
  onTestFinished(() => database.close());
  return database;
}

describe.skipIf(withoutPostgres())("the tables", () => {
  test("are created once, by whichever daemon comes first", async () => {
    const { url, query } = await testDatabase();
    const databases = await Promise.all([1, 2, 3, 4, 5].map(() => opened(url)));
    const found = await Promise.all(databases.map((database) => migrate(database)));
    expect(new Set(found.map(({ storeId }) => storeId)).size).toBe(1);
    expect(found.every(({ hasTextIndex }) => hasTextIndex)).toBe(true);
    expect(await query("select version from sessiond.meta")).toEqual([{ version: 1 }]);
  });

  test("of a newer version are refused, and left as they are", async () => {
    const { url, query } = await testDatabase();
    const database = await opened(url);
    await migrate(database);
    await query("update sessiond.meta set version = 99");
    await expect(migrate(database)).rejects.toMatchObject({ code: "storage_too_new" });
    expect(await query("select version from sessiond.meta")).toEqual([{ version: 99 }]);
  });

  test("need no index for text where the extension cannot be had", async () => {
    const { url, query, name } = await testDatabase();
    const role = `${name}_user`;
    await query(`create role ${role} login`);
    onTestFinished(async () => {
      await query(`drop owned by ${role} cascade`);
      await query(`drop role ${role}`);
    });
    await query(`create schema sessiond authorization ${role}`);
    const database = await opened(url.replace("user=postgres", `user=${role}`));
    expect(await migrate(database)).toMatchObject({ hasTextIndex: false });
    expect(await migrate(database)).toMatchObject({ hasTextIndex: false });
  });
});
