/**
 * The thread that looks at files sees what everybody sees, and a start does without it where it is not to be
 * had.
 */
import { lstatSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { FileSystem, StatThread } from "../../../../src/store/directory/disk/file-system.ts";
import { nodeFileSystem } from "../../../../src/store/directory/disk/node-file-system.ts";
import { readDocument } from "../../../../src/store/directory/disk/read-document.ts";
import { identityOf } from "../../../../src/store/directory/disk/session-file.ts";
import { startStatThread } from "../../../../src/store/directory/disk/stat-thread.ts";
import { adoptSavedIndex } from "../../../../src/store/directory/view/adopt-saved-index.ts";
import { FileCatalog } from "../../../../src/store/directory/view/file-catalog.ts";
import type { SavedFile } from "../../../../src/store/directory/view/saved-index.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { foreignSession, newView, putOutside } from "../outside.ts";

async function started(): Promise<StatThread> {
  const thread = startStatThread() as StatThread;
  onTestFinished(() => thread.close());
  await vi.waitFor(() => expect(thread.isReady).toBe(true), { timeout: 10_000 });
  return thread;
}

test("the thread sees of a file what everybody else sees", async () => {
  const directory = await tempDir();
  const names = [
    "a.json",
    "with\nbreak.json",
    "ünïcode 😀.json",
    "link.json",
    "directory.json",
    "missing.json",
  ];
  for (const name of names.slice(0, 3)) writeFileSync(join(directory, name), name);
  utimesSync(join(directory, "a.json"), 1_700_000_000.123456, 1_700_000_000.123456);
  symlinkSync("a.json", join(directory, "link.json"));
  mkdirSync(join(directory, "directory.json"));
  const paths = names.map((name) => join(directory, name));
  const seen = paths.slice(0, 3).map((path) => identityOf(lstatSync(path, { bigint: true })));
  const thread = await started();
  expect(await thread.identities(paths)).toEqual([...seen, "", "", ""]);
  const [one, other] = await Promise.all([
    thread.identities([paths[0] as string]),
    thread.identities(paths.slice(1, 3)),
  ]);
  expect([...(one ?? []), ...(other ?? [])]).toEqual(seen);
});

test("a thread that has ended says so, also of what it was asked before", async () => {
  const thread = await started();
  const asked = thread.identities(Array.from({ length: 1000 }, () => "/"));
  await thread.close();
  const answer = await asked;
  if (answer !== undefined) expect(answer).toHaveLength(1000);
  expect(thread.isReady).toBe(false);
  expect(await thread.identities(["/"])).toBeUndefined();
});

/** So many sessions, as a run before this one knew them, a group each. */
function remembered(directory: string, count: number) {
  const known = new FileCatalog();
  const files = Array.from({ length: count }, (_, n) => `s${n}.json`);
  for (const [n, file] of files.entries()) {
    putOutside(directory, file, foreignSession(`s${n}`));
    const document = readDocument(nodeFileSystem, join(directory, file));
    if (document !== undefined) known.adopt(file, document);
  }
  return { known, files, groups: [...known.toSave()].map((cached) => [cached]) };
}

/** The first groups come before there is a thread, the last ones when it has begun. */
async function* withBegun(groups: SavedFile[][], hasBegun: () => Promise<void>): AsyncGenerator<SavedFile[]> {
  yield* groups.slice(0, groups.length / 2);
  await hasBegun();
  yield* groups.slice(groups.length / 2);
}

test.each(["looks at them", "is refused", "ends meanwhile"])(
  "a saved index is believed where the files are the same, also if the thread %s",
  async (what) => {
    const directory = await tempDir();
    const { known, files, groups } = remembered(directory, 400);
    const changed = ["s3.json", "s250.json", "s399.json"];
    for (const file of changed)
      putOutside(directory, file, foreignSession(file.slice(0, -5), { status: "failed" }));
    const threads: (StatThread | undefined)[] = [];
    const fs: FileSystem = {
      ...nodeFileSystem,
      startStatThread() {
        threads.push(what === "is refused" ? undefined : startStatThread());
        return threads[0];
      },
    };
    const saved = withBegun(groups, async () => {
      expect(threads).toHaveLength(1);
      const [thread] = threads;
      if (thread === undefined) return;
      await vi.waitFor(() => expect(thread.isReady).toBe(true), { timeout: 10_000 });
      // It is asked first.
      if (what === "ends meanwhile") setImmediate(() => thread.close());
    });
    const catalog = new FileCatalog();
    expect(await adoptSavedIndex(saved, fs, directory, catalog)).toBe(false);
    expect([...catalog.names()].sort()).toEqual(files.filter((file) => !changed.includes(file)).sort());
    expect(catalog.index.get("s250")).toBeUndefined();
    expect(catalog.index.get("s251")).toEqual(known.index.get("s251"));
  },
);

test("a file that goes away after the thread looked at it, and before that is known, is not there", async () => {
  const directory = await tempDir();
  const { files, groups } = remembered(directory, 20);
  let thread: StatThread | undefined;
  let gone = "";
  const lookedAt: string[] = [];
  const fs: FileSystem = {
    ...nodeFileSystem,
    lstatSync(path) {
      lookedAt.push(basename(path));
      return nodeFileSystem.lstatSync(path);
    },
    startStatThread() {
      const started = startStatThread() as StatThread;
      thread = started;
      return {
        get isReady() {
          return started.isReady;
        },
        async identities(paths) {
          const identities = await started.identities(paths);
          if (gone !== "") return identities;
          gone = basename(paths[0] as string);
          rmSync(join(directory, gone));
          // A hint leads to a look.
          await vi.waitFor(() => expect(lookedAt).toContain(gone), { timeout: 10_000 });
          return identities;
        },
        close: () => started.close(),
      };
    },
  };
  const saved = withBegun(groups, () =>
    vi.waitFor(() => expect(thread?.isReady).toBe(true), { timeout: 10_000 }),
  );
  const { view, follower } = newView(directory, fs);
  await follower.open(saved);
  expect(gone).not.toBe("");
  expect([...view.catalog.names()].sort()).toEqual(files.filter((file) => file !== gone).sort());
});
