/** Documents in PostgreSQL that cannot be read, and backups in its tables. */
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { codeOf, codesOf, config } from "../../suite/opened-store.ts";
import { startFleet } from "../fleet.ts";

const id = parseSessionId("s");

async function started() {
  const { database, host } = await startFleet();
  const { store } = await host("a");
  return { database, store, host };
}

/** Another host has no copy in memory. */
async function damaged(options: { backup: boolean }) {
  const { database, store, host } = await started();
  await store.create({ session_id: id, config, pending_files: ["a"] });
  const backup = options.backup ? (await store.backup(id)).backup : undefined;
  await database.query("update sessiond.documents set data = '[1'");
  return { database, store: (await host("b")).store, backup };
}

const kept = "select convert_from(data, 'UTF8') as data from sessiond.documents order by sid, part";

describe.skipIf(withoutPostgres())("a document in PostgreSQL that cannot be read", () => {
  test("is told of, and kept, whatever is asked of its session", async () => {
    const { database, store } = await damaged({ backup: false });
    const asked = {
      read: store.read(id),
      report: store.report(id, { processed: ["a"] }),
      checkpoint: store.apply(id, {
        type: "checkpoint",
        checkpoint: { processed_files: [], pending_files: [] },
      }),
      backup: store.backup(id),
    };
    for (const [what, code] of Object.entries(await codesOf(asked)))
      expect(code, what).toBe("session_corrupt");
    expect(await store.validate(id)).toMatchObject({ valid: false, findings: [{ code: "unreadable" }] });
    expect((await store.list()).sessions).toHaveLength(1);
    expect(await store.recover(id)).toMatchObject({ recovered: false, backup: null });
    expect(await database.query(kept)).toEqual([{ data: "[1" }]);
  });

  test.each(["recover", "restore"] as const)("gives way to a backup: %s", async (way) => {
    const { database, store, backup = "" } = await damaged({ backup: true });
    if (way === "recover") expect(await store.recover(id)).toMatchObject({ recovered: true });
    else expect(await store.restoreBackup(id, backup)).toMatchObject({ previous: null });
    expect((await store.read(id)).session).toMatchObject({ pending_files: ["a"], revision: 2 });
    expect((await store.listTrash()).entries).toMatchObject([{ session_id: "s", reason: "unreadable" }]);
    expect(await database.query(kept)).toContainEqual({ data: "[1" });
  });
});

describe.skipIf(withoutPostgres())("backups in PostgreSQL", () => {
  test("are named after their session and time, each differently, and go to no directory", async () => {
    const { store } = await started();
    await store.create({ session_id: "a b", config });
    const name = parseSessionId("a b");
    const made = await Promise.all(Array.from({ length: 5 }, () => store.backup(name)));
    for (const { backup } of made) expect(backup).toMatch(/^ab-[0-9a-f]{8}_\d{8}_\d{6}(_\d)?$/);
    expect(new Set(made.map(({ backup }) => backup)).size).toBe(5);
    await expect(store.backup(name, "/tmp")).rejects.toMatchObject({
      code: "not_supported",
      issues: [{ path: "directory" }],
    });
    expect(await store.listBackups(name)).toHaveLength(5);
  });

  test("may be as long as a document, and one that is damaged is refused", async () => {
    const { database, store } = await started();
    const text = "ä".repeat(1_500_000);
    await store.create({ session_id: id, config });
    await store.report(id, { results: { text } });
    const { backup } = await store.backup(id);
    await store.report(id, { results: { text: 1 } });
    await store.restoreBackup(id, backup);
    expect((await store.read(id)).session.partial_results).toEqual({ text });
    await database.query("delete from sessiond.backups where part = 1");
    expect(await codeOf(store.restoreBackup(id, backup))).toBe("invalid_request");
    expect((await store.read(id)).session.partial_results).toEqual({ text });
  });
});
