/**
 * Changes that undo what was reported, and sessions in the place of others: reports from before never come
 * back on top of them.
 */
import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { FaultyFileSystem, isChange, isJournalWrite } from "../../../support/faulty-file-system.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, killed, openLagging, putOutside } from "../outside.ts";

const id = parseSessionId("s");

async function open(directory: string) {
  const disk = new FaultyFileSystem();
  return { store: await openLagging(directory, undefined, disk.fileSystem), disk };
}

/**
 * What kills would leave after each change that is made to the disk, and before the first, until the disk is
 * mended.
 */
async function copiesAfterEachChange(directory: string, disk: FaultyFileSystem): Promise<string[]> {
  const base = await tempDir();
  const copies: string[] = [];
  const copy = () => {
    copies.push(join(base, `${copies.length}`));
    cpSync(directory, copies.at(-1) as string, { recursive: true });
  };
  copy();
  disk.intercept((operation, run) => {
    const result = run();
    if (!isChange(operation)) return result;
    if (!(result instanceof Promise)) copy();
    else return result.finally(copy) as typeof result;
    return result;
  });
  return copies;
}

/** The disk is full, where the journal is. */
function fillJournal(disk: FaultyFileSystem): void {
  disk.fail(isJournalWrite, "ENOSPC");
}

function listsOf({ processed_files, pending_files, partial_results }: Session) {
  return { processed_files, pending_files, partial_results };
}

async function found(store: DirectoryStore) {
  return (await store.has(id)) ? listsOf((await store.read(id)).session) : "absent";
}

async function foundIn(copies: readonly string[]) {
  const states = [];
  for (const copy of copies) {
    const store = await openLagging(copy);
    states.push(await found(store));
    await store.close();
  }
  return states;
}

describe("a change that undoes what was reported", () => {
  const undoing: Readonly<Record<string, (store: DirectoryStore, backup: string) => Promise<unknown>>> = {
    checkpoint: (store) =>
      store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["b"], pending_files: ["a"] } }),
    "saved document": async (store) => {
      const { session } = await store.read(id);
      await store.save({ ...session, processed_files: ["b"], pending_files: ["a"], partial_results: {} });
    },
    "restored backup": (store, backup) => store.restoreBackup(id, backup),
  };

  async function reportedOn(directory: string) {
    const { store, disk } = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    await store.report(id, { processed: ["b"], results: { b: 2 } });
    return { store, disk, backup, before: await found(store) };
  }

  test.each(Object.keys(undoing))(
    "is after a kill at any moment there as a whole or not at all: a %s",
    async (what) => {
      const directory = await tempDir();
      const { store, disk, backup, before } = await reportedOn(directory);
      const copies = await copiesAfterEachChange(directory, disk);
      await undoing[what]?.(store, backup);
      const after = await found(store);
      disk.intercept();
      expect(after).not.toEqual(before);
      const states = await foundIn([...copies, await killed(directory)]);
      expect(states).toContainEqual(before);
      expect(states.at(-1)).toEqual(after);
      for (const state of states) expect([before, after]).toContainEqual(state);
    },
  );

  test.each(Object.keys(undoing))("is refused where that cannot be made sure: a %s", async (what) => {
    const directory = await tempDir();
    const { store, disk, backup, before } = await reportedOn(directory);
    fillJournal(disk);
    await expect(undoing[what]?.(store, backup)).rejects.toMatchObject({ code: "storage_full" });
    expect(await found(store)).toEqual(before);
    expect(await foundIn([await killed(directory)])).toEqual([before]);
    disk.intercept();
    await undoing[what]?.(store, backup);
    expect(await found(store)).not.toEqual(before);
  });
});

test("a checkpoint of a session that nobody reports on reads its file once", async () => {
  const directory = await tempDir();
  const { store, disk } = await open(directory);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  const opened: string[] = [];
  disk.intercept(({ name, path }, run) => {
    if (name === "openSync") opened.push(path);
    return run();
  });
  await store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["a"], pending_files: [] } });
  expect(opened).toEqual([join(directory, "s.json")]);
});

describe("what is put in the place of a session that is gone has none of its reports", () => {
  interface Place {
    store: DirectoryStore;
    disk: FaultyFileSystem;
    directory: string;
  }
  const gone: Readonly<Record<string, (place: Place) => Promise<void>>> = {
    "taken away by another program": async ({ store, directory }) => {
      rmSync(join(directory, "s.json"));
      await eventually(async () => expect(await store.has(id)).toBe(false));
    },
    "purged, of which the journal could not be told": async ({ store, disk }) => {
      fillJournal(disk);
      await store.remove(id, { reason: "test", purge: true });
      disk.intercept();
    },
  };

  async function withBackup(directory: string) {
    const { store, disk } = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    const before = await found(store);
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    return { store, disk, directory, backup, before };
  }

  test.each(Object.keys(gone))("a restored backup of one %s", async (how) => {
    const directory = await tempDir();
    const place = await withBackup(directory);
    const { store, disk, backup, before } = place;
    await gone[how]?.(place);
    const copies = await copiesAfterEachChange(directory, disk);
    await store.restoreBackup(id, backup);
    disk.intercept();
    const states = await foundIn([...copies, await killed(directory)]);
    expect(states.at(-1)).toEqual(before);
    for (const state of states) expect(["absent", before]).toContainEqual(state);
  });

  test("a report that was under way when the session was taken away", async () => {
    const directory = await tempDir();
    const place = await withBackup(directory);
    const { store, disk, backup, before } = place;
    let answer = () => {};
    const written = new Promise<void>((resolve) => {
      disk.intercept((operation, run) => {
        const result = run();
        if (operation.name !== "file.write" || !isJournalWrite(operation)) return result;
        disk.intercept();
        return Promise.resolve(result).then((bytes) => {
          resolve();
          return new Promise((go) => {
            answer = () => go(bytes);
          });
        }) as typeof result;
      });
    });
    // So large that it is not written in one go with the event loop waiting for it.
    const report = store.report(id, { processed: ["b"], results: { b: "x".repeat(20_000) } });
    await written;
    await gone["taken away by another program"]?.(place);
    const restoring = store.restoreBackup(id, backup);
    await eventually(async () => expect(await store.has(id)).toBe(true));
    const copy = await killed(directory);
    answer();
    await expect(report).rejects.toMatchObject({ outcome: "unknown" });
    await restoring;
    expect(await found(store)).toEqual(before);
    expect(await foundIn([copy, await killed(directory)])).toEqual([before, before]);
  });

  test("but one that comes back meanwhile keeps them", async () => {
    const directory = await tempDir();
    const { store, disk, backup } = await withBackup(directory);
    const reported = await found(store);
    const away = join(await tempDir(), "away.json");
    renameSync(join(directory, "s.json"), away);
    await eventually(async () => expect(await store.has(id)).toBe(false));
    disk.intercept(({ name, path }, run) => {
      const result = run();
      if (name !== "file.sync" || path !== directory) return result;
      disk.intercept();
      return Promise.resolve(result).then(async () => {
        renameSync(away, join(directory, "back.json"));
        await eventually(async () => expect(await store.has(id)).toBe(true));
      }) as typeof result;
    });
    await expect(store.restoreBackup(id, backup)).rejects.toMatchObject({ outcome: "not_applied" });
    expect(await found(store)).toEqual(reported);
    expect(await foundIn([await killed(directory)])).toEqual([reported]);
  });
});

describe("what stands in for a document that cannot be read has the reports that wait for it", () => {
  async function unreadable(directory: string, store: DirectoryStore): Promise<void> {
    putOutside(directory, "s.json", "{");
    await eventually(async () => expect(await store.has(id)).toBe(false));
  }

  test("also where it is of an earlier creation", async () => {
    const directory = await tempDir();
    const { store } = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    rmSync(join(directory, "s.json"));
    await eventually(async () => expect(await store.has(id)).toBe(false));
    await store.restoreBackup(id, backup);
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    const reported = await found(store);
    const copy = await killed(directory);
    await unreadable(directory, store);
    expect(await store.recover(id)).toMatchObject({ recovered: true });
    expect(await found(store)).toEqual(reported);
    expect(await foundIn([await killed(directory)])).toEqual([reported]);
    // Nothing but the journal knows of the reports then.
    putOutside(copy, "s.json", "{");
    const next = await openLagging(copy);
    expect(await next.recover(id)).toMatchObject({ recovered: true });
    expect(await found(next)).toEqual(reported);
  });

  test("also where another program left the generation out", async () => {
    const directory = await tempDir();
    const { store } = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    await store.report(id, { processed: ["a"] });
    await store.backup(id);
    const { generation: _, ...rest } = (await store.read(id)).session;
    putOutside(directory, "s.json", rest);
    await eventually(async () => expect((await store.summary(id)).generation).toBeNull());
    await store.backup(id);
    await store.report(id, { processed: ["b"] });
    const reported = await found(store);
    await unreadable(directory, store);
    expect(await store.recover(id)).toMatchObject({ recovered: true });
    expect(await found(store)).toEqual(reported);
  });
});
