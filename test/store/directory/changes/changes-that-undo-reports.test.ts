/** Changes that undo what was reported, and sessions in the place of others: reports from before never come back on top of them. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { SessiondError } from "../../../../src/error.ts";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { SessionDocuments } from "../../../../src/store/directory/changes/current-document.ts";
import { Reports } from "../../../../src/store/directory/changes/reports.ts";
import { DurableFiles } from "../../../../src/store/directory/disk/durable-files.ts";
import { Journal } from "../../../../src/store/directory/journal/journal.ts";
import { SegmentFile } from "../../../../src/store/directory/journal/segment-file.ts";
import type { SessionStore } from "../../../../src/store/session-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, killed, openLagging, putOutside } from "../outside.ts";

const id = parseSessionId("s");

async function open(directory: string): Promise<SessionStore> {
  const store = await openLagging(directory);
  // Before it is closed.
  onTestFinished(() => void vi.restoreAllMocks());
  return store;
}

/** What kills would leave before and after everything that makes a change durable, until all mocks are restored. */
function copiesAround(directory: string): string[] {
  const copies: string[] = [];
  async function around(step: () => Promise<void>): Promise<void> {
    copies.push(await killed(directory));
    await step();
    copies.push(await killed(directory));
  }
  const { advanceBase } = Journal.prototype;
  vi.spyOn(Journal.prototype, "advanceBase").mockImplementation(function (this: Journal, ...args) {
    return around(() => advanceBase.apply(this, args));
  });
  const { sync } = DurableFiles.prototype;
  vi.spyOn(DurableFiles.prototype, "sync").mockImplementation(function (this: DurableFiles, ...args) {
    return around(() => sync.apply(this, args));
  });
  return copies;
}

/** The journal is full, until all mocks are restored. */
function failToAdvanceBase(): void {
  vi.spyOn(Journal.prototype, "advanceBase").mockRejectedValue(new SessiondError("storage_full", "full"));
}

function listsOf({ processed_files, pending_files, partial_results }: Session) {
  return { processed_files, pending_files, partial_results };
}

async function found(store: SessionStore) {
  return store.has(id) ? listsOf((await store.read(id)).session) : "absent";
}

async function foundIn(copies: readonly string[]) {
  const states = [];
  for (const copy of copies) states.push(await found(await open(copy)));
  return states;
}

describe("a change that undoes what was reported", () => {
  const undoing: Readonly<Record<string, (store: SessionStore, backup: string) => Promise<unknown>>> = {
    checkpoint: (store) =>
      store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["b"], pending_files: ["a"] } }),
    "saved document": async (store) => {
      const { session } = await store.read(id);
      await store.save({ ...session, processed_files: ["b"], pending_files: ["a"], partial_results: {} });
    },
    "restored backup": (store, backup) => store.restoreBackup(id, backup),
  };

  async function reportedOn(directory: string) {
    const store = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    await store.report(id, { processed: ["b"], results: { b: 2 } });
    return { store, backup, before: await found(store) };
  }

  test.each(Object.keys(undoing))(
    "is after a kill at any moment there as a whole or not at all: a %s",
    async (what) => {
      const directory = await tempDir();
      const { store, backup, before } = await reportedOn(directory);
      const copies = copiesAround(directory);
      await undoing[what]?.(store, backup);
      const after = await found(store);
      vi.restoreAllMocks();
      expect(after).not.toEqual(before);
      const states = await foundIn([...copies, await killed(directory)]);
      expect(states).toContainEqual(before);
      expect(states.at(-1)).toEqual(after);
      for (const state of states) expect([before, after]).toContainEqual(state);
    },
  );

  test.each(Object.keys(undoing))("is refused where that cannot be made sure: a %s", async (what) => {
    const directory = await tempDir();
    const { store, backup, before } = await reportedOn(directory);
    failToAdvanceBase();
    await expect(undoing[what]?.(store, backup)).rejects.toMatchObject({ code: "storage_full" });
    expect(await found(store)).toEqual(before);
    expect(await foundIn([await killed(directory)])).toEqual([before]);
    vi.restoreAllMocks();
    await undoing[what]?.(store, backup);
    expect(await found(store)).not.toEqual(before);
  });

  test.each(Object.keys(undoing))(
    "is refused where the session has grown too large for a file, which can be purged: a %s",
    async (what) => {
      const { store, backup, before } = await reportedOn(await tempDir());
      const complete = vi.spyOn(Reports.prototype, "complete");
      complete.mockRejectedValue(new SessiondError("payload_too_large", "too large"));
      await expect(undoing[what]?.(store, backup)).rejects.toMatchObject({ code: "payload_too_large" });
      expect(await found(store)).toEqual(before);
      await expect(store.remove(id, { reason: "test" })).rejects.toMatchObject({
        code: "payload_too_large",
        message: expect.stringMatching(/purged/),
      });
      expect(await store.remove(id, { reason: "test", purge: true })).toMatchObject({ purged: true });
    },
  );
});

test("a checkpoint of a session that nobody reports on reads its file once", async () => {
  const directory = await tempDir();
  const store = await open(directory);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  const reading = vi.spyOn(SessionDocuments.prototype, "document");
  await store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["a"], pending_files: [] } });
  expect(reading).toHaveBeenCalledOnce();
});

describe("what is put in the place of a session that is gone has none of its reports", () => {
  const gone: Readonly<Record<string, (store: SessionStore, directory: string) => Promise<void>>> = {
    "taken away by another program": async (store, directory) => {
      rmSync(join(directory, "s.json"));
      await eventually(() => expect(store.has(id)).toBe(false));
    },
    "purged, of which the journal could not be told": async (store) => {
      failToAdvanceBase();
      await store.remove(id, { reason: "test", purge: true });
      vi.restoreAllMocks();
    },
  };

  async function withBackup(directory: string) {
    const store = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    const before = await found(store);
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    return { store, backup, before };
  }

  test.each(Object.keys(gone))("a restored backup of one %s", async (how) => {
    const directory = await tempDir();
    const { store, backup, before } = await withBackup(directory);
    await gone[how]?.(store, directory);
    const copies = copiesAround(directory);
    await store.restoreBackup(id, backup);
    vi.restoreAllMocks();
    const states = await foundIn([...copies, await killed(directory)]);
    expect(states.at(-1)).toEqual(before);
    for (const state of states) expect(["absent", before]).toContainEqual(state);
  });

  test("a report that was under way when the session was taken away", async () => {
    const directory = await tempDir();
    const { store, backup, before } = await withBackup(directory);
    let letGo = () => {};
    const { append } = SegmentFile.prototype;
    const written = new Promise<void>((resolve) => {
      vi.spyOn(SegmentFile.prototype, "append").mockImplementationOnce(async function (
        this: SegmentFile,
        ...args
      ) {
        await append.apply(this, args);
        resolve();
        await new Promise<void>((go) => {
          letGo = go;
        });
      });
    });
    const report = store.report(id, { processed: ["b"], results: { b: 2 } });
    await written;
    await gone["taken away by another program"]?.(store, directory);
    const restoring = store.restoreBackup(id, backup);
    await eventually(() => expect(store.has(id)).toBe(true));
    const copy = await killed(directory);
    letGo();
    await expect(report).rejects.toMatchObject({ outcome: "unknown" });
    await restoring;
    expect(await found(store)).toEqual(before);
    expect(await foundIn([copy, await killed(directory)])).toEqual([before, before]);
  });

  test("but one that comes back meanwhile keeps them", async () => {
    const directory = await tempDir();
    const { store, backup } = await withBackup(directory);
    const reported = await found(store);
    const away = join(await tempDir(), "away.json");
    renameSync(join(directory, "s.json"), away);
    await eventually(() => expect(store.has(id)).toBe(false));
    const { sync } = DurableFiles.prototype;
    vi.spyOn(DurableFiles.prototype, "sync").mockImplementation(async function (this: DurableFiles, of) {
      await sync.call(this, of);
      if (of !== directory) return;
      vi.restoreAllMocks();
      renameSync(away, join(directory, "back.json"));
      await eventually(() => expect(store.has(id)).toBe(true));
    });
    await expect(store.restoreBackup(id, backup)).rejects.toMatchObject({ outcome: "not_applied" });
    expect(await found(store)).toEqual(reported);
    expect(await foundIn([await killed(directory)])).toEqual([reported]);
  });
});

describe("what stands in for a document that cannot be read has the reports that wait for it", () => {
  async function unreadable(directory: string, store: SessionStore): Promise<void> {
    putOutside(directory, "s.json", "{");
    await eventually(() => expect(store.has(id)).toBe(false));
  }

  test("also where it is of an earlier creation", async () => {
    const directory = await tempDir();
    const store = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const { backup } = await store.backup(id);
    rmSync(join(directory, "s.json"));
    await eventually(() => expect(store.has(id)).toBe(false));
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
    const next = await open(copy);
    expect(await next.recover(id)).toMatchObject({ recovered: true });
    expect(await found(next)).toEqual(reported);
  });

  test("also where another program left the generation out", async () => {
    const directory = await tempDir();
    const store = await open(directory);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    await store.report(id, { processed: ["a"] });
    await store.backup(id);
    const { generation: _, ...rest } = (await store.read(id)).session;
    putOutside(directory, "s.json", rest);
    await eventually(() => expect(store.summary(id).generation).toBeNull());
    await store.backup(id);
    await store.report(id, { processed: ["b"] });
    const reported = await found(store);
    await unreadable(directory, store);
    expect(await store.recover(id)).toMatchObject({ recovered: true });
    expect(await found(store)).toEqual(reported);
  });
});
