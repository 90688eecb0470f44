/**
 * Within one run of a store no revision of a session is given out twice: one that was read guards a later
 * change.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { processorTime } from "../../../support/processor-time.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, openStore, putOutside } from "../outside.ts";

/** A session that is at revision 3. */
async function withSession(): Promise<{ directory: string; store: DirectoryStore; path: string }> {
  const directory = await tempDir();
  const store = await openStore(directory);
  await store.create({ session_id: "s", config });
  await store.apply(id("s"), { type: "transition", verb: "pause" });
  await store.apply(id("s"), { type: "transition", verb: "resume" });
  return { directory, store, path: join(directory, "s.json") };
}

const revision = async (store: DirectoryStore) => (await store.summary(id("s"))).revision;

async function expectGuarded(store: DirectoryStore, older: number): Promise<void> {
  const seen = { ...(await store.summary(id("s"))), revision: older };
  const late = store.apply(id("s"), { type: "transition", verb: "fail" }, { ifSeen: seen });
  await expect(late).rejects.toMatchObject({ code: "revision_mismatch" });
}

describe("a revision never comes back", () => {
  test.each([
    ["as it was", (text: string) => text],
    ["by a program that knows of no revision", () => JSON.stringify(foreignSession("s"))],
  ])("when a file was half written for a while and is mended %s", async (_, mend) => {
    const { store, path } = await withSession();
    const text = await readFile(path, "utf8");
    await writeFile(path, text.slice(0, 50));
    await eventually(async () => expect(await store.health()).toMatchObject([{ code: "unreadable_file" }]));
    await writeFile(path, mend(text));
    await eventually(async () => expect(await store.health()).toEqual([]));
    expect(await revision(store)).toBe(4);
    await expectGuarded(store, 3);
  });

  test("when another program deletes it and puts another one in place", async () => {
    const { directory, store, path } = await withSession();
    rmSync(path);
    await eventually(async () => expect(await store.has(id("s"))).toBe(false));
    putOutside(directory, "s.json", foreignSession("s"));
    await eventually(async () => expect(await store.has(id("s"))).toBe(true));
    expect(await revision(store)).toBe(4);
  });

  test("when it is recovered from a backup", async () => {
    const { store, path } = await withSession();
    await store.backup(id("s"));
    await store.apply(id("s"), { type: "transition", verb: "pause" });
    await writeFile(path, "garbage");
    await store.recover(id("s"));
    expect((await store.read(id("s"))).session).toMatchObject({ status: "running", revision: 5 });
    await expectGuarded(store, 4);
  });
});

describe("a revision stays", () => {
  test("when another program renames its file away from its own name", async () => {
    const { directory, store, path } = await withSession();
    const before = await store.summary(id("s"));
    renameSync(path, join(directory, "renamed.json"));
    await store.reconcile();
    await eventually(async () => expect(await store.summary(id("s"))).toEqual(before));
    await store.apply(id("s"), { type: "transition", verb: "pause" }, { ifSeen: before });
    expect(JSON.parse(await readFile(join(directory, "renamed.json"), "utf8")).revision).toBe(4);
  });

  test("when another program renames a file of an unknown revision, and takes it out and back", async () => {
    const [directory, elsewhere] = [await tempDir(), await tempDir()];
    putOutside(directory, "s.json", foreignSession("s"));
    const store = await openStore(directory);
    await store.apply(id("s"), { type: "transition", verb: "pause" });
    renameSync(join(directory, "s.json"), join(elsewhere, "s.json"));
    await store.reconcile();
    await eventually(async () => expect(await store.has(id("s"))).toBe(false));
    renameSync(join(elsewhere, "s.json"), join(directory, "s.json"));
    await store.reconcile();
    expect(await revision(store)).toBe(2);
  });
});

test("after the trash was emptied, and while many others came and went, a revision does not come back", async () => {
  const { store } = await withSession();
  await store.remove(id("s"), { reason: "requested" });
  for (let n = 0; n < 50; n++) {
    await store.create({ session_id: `other-${n}`, config });
    await store.remove(id(`other-${n}`), { reason: "requested" });
  }
  await store.emptyTrash();
  expect((await store.create({ session_id: "s", config })).summary.revision).toBe(4);
});

test("numbers of a million digits are read at once, and stay as they are", async () => {
  const directory = await tempDir();
  const digits = "1234567890".repeat(100_000);
  const numbers = [digits, `-${digits}`, `${digits}.5`].join(",");
  const text = JSON.stringify(foreignSession("s")).replace("{}", `{"all":[${numbers}]}`);
  writeFileSync(join(directory, "s.json"), text);
  const took = await processorTime(async () => {
    const store = await openStore(directory);
    await store.apply(id("s"), { type: "transition", verb: "pause" });
  });
  expect(took).toBeLessThan(2000);
  const written = await readFile(join(directory, "s.json"), "utf8");
  expect(written.replace(/\s/g, "").includes(`[${numbers}]`)).toBe(true);
});
