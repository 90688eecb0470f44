/**
 * One change of a session is told once, to a listener of the store and to a reader of the events: nobody sees
 * progress fall back and come again.
 */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, killed, openLagging, putOutside } from "../outside.ts";
import { type Followed, followed } from "./followed.ts";

const id = parseSessionId("s");
const pending_files = ["a", "b", "c"];

interface World {
  directory: string;
  store: DirectoryStore;
  path: string;
  told: Followed;
}

/**
 * A session of a, b and c in a store that writes no file by itself; a and b are reported, and that was told.
 */
async function reportedOn(): Promise<World> {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files });
  await store.report(id, { processed: ["a", "b"], results: { a: 1, b: 2 } });
  const told = followed(store);
  return { directory, store, path: join(directory, "s.json"), told };
}

/** As another program writes it that knows nothing of the reports. */
const without = (changes = {}) =>
  foreignSession("s", { pending_files, config: { target_path: "/rewritten" }, ...changes });

describe("reports that no file holds yet", () => {
  test("are in a document that another program wrote, from the first that is told of it", async () => {
    const { directory, store, told } = await reportedOn();
    const { revision } = await store.summary(id);
    putOutside(directory, "s.json", without());
    await store.reconcile();
    expect(told.changes()).toEqual([["outside", [2, 1, revision], [2, 1, revision + 1]]]);
    expect(told.events()).toMatchObject([{ kind: "session.updated", processed_count: 2, outside: true }]);
  });

  test("are in a document that can be read again", async () => {
    const { store, path, told } = await reportedOn();
    const text = await readFile(path, "utf8");
    writeFileSync(path, text.slice(0, 50));
    await store.reconcile();
    await eventually(async () => expect(await store.health()).toMatchObject([{ code: "unreadable_file" }]));
    writeFileSync(path, text);
    await store.reconcile();
    expect(told.progress()).toEqual([2]);
  });

  test("are in a backup that is restored in the place of what cannot be read", async () => {
    const { store, path, told } = await reportedOn();
    const { location: backup } = await store.backup(id);
    writeFileSync(backup, JSON.stringify(without()));
    await store.report(id, { processed: ["c"] });
    writeFileSync(path, "garbage");
    await store.reconcile();
    told.clear();
    await store.restoreBackup(id, backup);
    expect(told.changes()).toEqual([["change", undefined, [1, 2, expect.any(Number)]]]);
    expect(await store.summary(id)).toMatchObject({ processed_count: 1, pending_count: 2 });
  });

  test("are in a document that a start could not read, once it can", async () => {
    const { directory, path } = await reportedOn();
    const text = await readFile(path, "utf8");
    const copy = await killed(directory);
    writeFileSync(join(copy, "s.json"), text.slice(0, 50));
    const store = await openLagging(copy);
    const told = followed(store);
    writeFileSync(join(copy, "s.json"), text);
    await store.reconcile();
    expect(told.progress()).toEqual([2]);
  });

  test("are in a file that another program renamed, which is no change at all", async () => {
    const { directory, store, path, told } = await reportedOn();
    const before = await store.summary(id);
    renameSync(path, join(directory, "other.json"));
    await store.reconcile();
    await eventually(async () => expect(await store.summary(id)).toEqual(before));
    expect(new Set(told.progress())).toEqual(new Set([2]));
    await store.apply(id, { type: "edit", pinned: true });
    expect(told.events()).toMatchObject([{ kind: "session.updated", changed: ["pinned"] }]);
  });

  test("are in the copy that takes the place of a file that is gone", async () => {
    const { directory, store, path, told } = await reportedOn();
    const { revision } = await store.summary(id);
    writeFileSync(join(directory, "copy.json"), await readFile(path));
    await store.reconcile();
    rmSync(path);
    await store.reconcile();
    expect(told.changes()).toEqual([["outside", [2, 1, revision], [2, 1, revision + 1]]]);
  });
});

test("of two files of a session that change places only the one that is the session is told", async () => {
  const directory = await tempDir();
  putOutside(
    directory,
    "copy.json",
    without({ checkpoint_time: "2025-01-01T00:00:00Z", processed_files: ["x"] }),
  );
  putOutside(directory, "s.json", without());
  const store = await openLagging(directory);
  const told = followed(store);
  // The copy is the newer one now.
  putOutside(directory, "s.json", without({ checkpoint_time: "2024-01-01T00:00:00Z" }));
  await store.reconcile();
  expect(told.progress()).toEqual([1]);
  rmSync(join(directory, "copy.json"));
  await store.reconcile();
  expect(told.progress()).toEqual([1, 0]);
});

test("a report that brings only results is told once, also when its file is written", async () => {
  const { store, told } = await reportedOn();
  await store.report(id, { results: { c: 3 } });
  told.catchUp();
  await store.backup(id);
  await store.apply(id, { type: "edit", pinned: true });
  await store.reconcile();
  told.catchUp();
  expect(told.events().map(({ kind }) => kind)).toEqual(["session.progress", "session.updated"]);
});

test("a report that nobody has looked at is told before another program's change", async () => {
  const { directory, store, told } = await reportedOn();
  await store.report(id, { processed: ["c"] });
  putOutside(directory, "s.json", without({ status: "paused" }));
  await store.reconcile();
  const { revision } = await store.summary(id);
  expect(told.changes()).toEqual([
    ["report", [2, 1, revision - 2], [3, 0, revision - 1]],
    ["outside", [3, 0, revision - 1], [3, 0, revision]],
  ]);
});
