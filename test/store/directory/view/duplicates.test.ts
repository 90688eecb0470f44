/** A second file with the id of a session never takes its place, whatever times the documents claim. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { foreignSession, openStore, quarantined } from "../outside.ts";

const olderStill = { checkpoint_time: "2025-01-01T00:00:00.000000Z", config: { target_path: "/saved" } };

/** A session in `s.json`, and an older state of it in `copy.json`. */
async function withDuplicate(): Promise<{ directory: string; store: DirectoryStore }> {
  const directory = await tempDir();
  await writeFile(join(directory, "copy.json"), JSON.stringify(foreignSession("s")));
  const newer = foreignSession("s", {
    checkpoint_time: "2026-02-02T00:00:00.000000Z",
    config: { target_path: "/newer" },
  });
  await writeFile(join(directory, "s.json"), JSON.stringify(newer));
  const store = await openStore(directory);
  expect(await store.health()).toMatchObject([{ code: "duplicate_session", session_id: "s" }]);
  expect((await store.summary(id("s"))).target_path).toBe("/newer");
  return { directory, store };
}

async function restarted(directory: string, store: DirectoryStore): Promise<DirectoryStore> {
  await store.close();
  return openStore(directory);
}

async function expectCopyInQuarantine(directory: string): Promise<void> {
  expect(await quarantined(directory)).toEqual([expect.stringMatching(/^\d{20}-copy\.json$/)]);
}

test("a saved document is the session, also after a restart and with an older time", async () => {
  const { directory, store } = await withDuplicate();
  await store.save(foreignSession("s", olderStill));
  expect(await store.health()).toEqual([]);
  await store.reconcile();
  expect((await store.summary(id("s"))).target_path).toBe("/saved");
  await expectCopyInQuarantine(directory);
  const again = await restarted(directory, store);
  expect((await again.read(id("s"))).session).toMatchObject(olderStill);
  expect(await again.health()).toEqual([]);
});

test("so is a backup that is restored", async () => {
  const { directory, store } = await withDuplicate();
  const { location: path } = await store.backup(id("s"));
  await writeFile(path, JSON.stringify(foreignSession("s", olderStill)));
  await store.restoreBackup(id("s"), path);
  const again = await restarted(directory, store);
  expect((await again.read(id("s"))).session).toMatchObject(olderStill);
  await expectCopyInQuarantine(directory);
});

test.each([
  [false, "session_deleted"],
  [true, "session_not_found"],
])("a removed session (purged: %s) is gone, also after a restart", async (purge, code) => {
  const { directory, store } = await withDuplicate();
  await store.remove(id("s"), { reason: "requested", purge });
  await store.reconcile();
  await expect(store.read(id("s"))).rejects.toMatchObject({ code });
  await expectCopyInQuarantine(directory);
  const again = await restarted(directory, store);
  await expect(again.read(id("s"))).rejects.toMatchObject({ code });
  expect((await again.stats()).total).toBe(0);
});
