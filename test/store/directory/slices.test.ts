/** Large sessions are put together and written in slices, and other programs go on meanwhile. */
import { unlinkSync } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { nodeFileSystem } from "../../../src/store/directory/disk/node-file-system.ts";
import { readDocument } from "../../../src/store/directory/disk/read-document.ts";
import { FileCatalog } from "../../../src/store/directory/view/file-catalog.ts";
import type { SavedFile } from "../../../src/store/directory/view/saved-index.ts";
import { eventually } from "../../support/eventually.ts";
import { FaultyFileSystem, isJournalWrite } from "../../support/faulty-file-system.ts";
import { isLong } from "../../support/runs.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { foreignSession, newView, openLagging, openStore, putOutside, quarantined } from "./outside.ts";

const id = parseSessionId("s");
const count = isLong ? 100_000 : 20_000;
const results = Object.fromEntries(
  Array.from({ length: count }, (_, n) => [`r${n}`, { n, text: "x".repeat(20) }]),
);
const large = foreignSession("s", {
  processed_files: ["mine"],
  pending_files: ["p", "q"],
  partial_results: results,
});
/** Another file of the same session, with the newer checkpoint. */
const copy = () =>
  foreignSession("s", {
    checkpoint_time: new Date().toISOString(),
    processed_files: ["copy"],
    pending_files: ["other"],
    partial_results: { copy: 1 },
  });

/** A store that has a large session in memory. */
async function reportedOn(directory: string): Promise<DirectoryStore> {
  putOutside(directory, "s.json", large);
  const store = await openStore(directory);
  await store.report(id, { processed: ["p"] });
  return store;
}

/** A session is there all the time, whichever file has it: nobody is told that there is none. */
function madeOrBusy<T>(change: Promise<T>): Promise<T | undefined> {
  return change.catch((error: unknown) => {
    expect(error).toMatchObject({ code: "storage_failed" });
    return undefined;
  });
}

test("a change of a session that becomes another one meanwhile is made to one of them, whole", async () => {
  const directory = await tempDir();
  const store = await reportedOn(directory);
  // Which writes the file.
  await store.backup(id);
  putOutside(directory, "copy.json", copy());
  const change = madeOrBusy(store.apply(id, { type: "transition", verb: "pause" }));
  await store.reconcile();
  const changed = await change;
  const { session } = await store.read(id);
  const isMine = session.processed_files.includes("mine");
  const wholes = [
    ["mine,p", "q", count],
    ["copy", "other", 1],
  ];
  const held = Object.keys(session.partial_results).length;
  expect([`${session.processed_files}`, `${session.pending_files}`, held]).toEqual(wholes[isMine ? 0 : 1]);
  if (changed !== undefined && session.status === "paused")
    expect(changed.session.processed_files).toEqual(session.processed_files);
});

const changes = {
  pause: (store: DirectoryStore) => store.apply(id, { type: "transition", verb: "pause" }),
  checkpoint: (store: DirectoryStore) =>
    store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["mine"], pending_files: [] } }),
  "restored backup": (store: DirectoryStore, backup: string) => store.restoreBackup(id, backup),
};

test.each(Object.entries(changes))(
  "a %s of a session that another file takes meanwhile mixes the two in neither",
  async (what, make) => {
    const directory = await tempDir();
    const store = await reportedOn(directory);
    const { backup } = await store.backup(id);
    await store.report(id, { processed: ["q"] });
    putOutside(directory, "copy.json", copy());
    const change = madeOrBusy<unknown>(make(store, backup));
    await store.reconcile();
    await change;
    const kept = what === "restored backup" ? await quarantined(directory) : [];
    const held = (file: string) => {
      // A backup is restored into the file that has the session then. Another file of it goes to quarantine.
      const moved = kept.find((name) => name.endsWith(`-${file}`));
      const path = moved === undefined ? file : join(".sessiond", "quarantine", moved);
      return Object.keys(readDocument(nodeFileSystem, join(directory, path))?.session.partial_results ?? {});
    };
    expect(held("s.json")).toHaveLength(count);
    expect(what === "restored backup" ? [1, count] : [1]).toContain(held("copy.json").length);
  },
);

test("reports of a session are not written to a file that has just lost it to another one", async () => {
  const directory = await tempDir();
  putOutside(directory, "s.json", large);
  const disk = new FaultyFileSystem();
  const store = await openLagging(directory, undefined, disk.fileSystem);
  await store.report(id, { processed: ["p"] });
  let answer = () => {};
  const isWritten = new Promise<void>((resolve) => {
    disk.intercept((operation, run) => {
      const result = run();
      if (operation.name !== "file.write" || !isJournalWrite(operation)) return result;
      disk.intercept();
      return Promise.resolve(result).then((written) => {
        resolve();
        return new Promise((go) => {
          answer = () => go(written);
        });
      }) as typeof result;
    });
  });
  // So large that it is not written in one go. The checkpoint waits until the report is durable.
  const report = store.report(id, { results: { more: "x".repeat(20_000) } });
  const checkpoint = changes.checkpoint(store);
  await isWritten;
  putOutside(directory, "copy.json", copy());
  // The other file is known before the reports would be written to this one.
  await store.reconcile();
  answer();
  await Promise.allSettled([report, checkpoint]);
  const first = readDocument(nodeFileSystem, join(directory, "s.json"))?.session;
  expect(first?.processed_files).toEqual(["mine"]);
  expect(Object.keys(first?.partial_results ?? {})).toHaveLength(count);
  const { session } = await store.read(id);
  expect(session.partial_results).toMatchObject({ copy: 1, more: expect.any(String) });
});

test("a session is read with the revision that it had with this content", async () => {
  const directory = await tempDir();
  const store = await reportedOn(directory);
  putOutside(directory, "s.json", { ...large, processed_files: ["mine", "more"] });
  const reading = store.read(id);
  putOutside(directory, "copy.json", copy());
  await store.reconcile();
  const [first, then] = [await reading, await store.read(id)];
  if (first.summary.revision === then.summary.revision)
    expect(first.session.processed_files).toEqual(then.session.processed_files);
  expect(first.summary.processed_count).toBe(first.session.processed_files.length);
});

test("reports go on while a session is read, and the read is of one moment", async () => {
  const store = await reportedOn(await tempDir());
  const reading = store.read(id);
  for (let n = 0; n < 50; n++)
    await store.report(id, { processed: [`f${n}`], results: { [`r${n}`]: "new" } });
  const { session, summary } = await reading;
  expect(session.revision).toBe(summary.revision);
  expect(summary.processed_count).toBe(session.processed_files.length);
  const replaced = Object.values(session.partial_results).filter((result) => result === "new").length;
  expect(session.processed_files).toHaveLength(2 + replaced);
});

test("a start finds a new file also while a known one goes away", async () => {
  const directory = await tempDir();
  const known = new FileCatalog();
  for (let n = 0; n < 1000; n++) {
    putOutside(directory, `s${n}.json`, foreignSession(`s${n}`));
    const document = readDocument(nodeFileSystem, join(directory, `s${n}.json`));
    if (document !== undefined) known.adopt(`s${n}.json`, document);
  }
  putOutside(directory, "new.json", foreignSession("new"));
  const cached = [...known.toSave()];
  // In the order of the directory itself.
  const names: string[] = [];
  for await (const { name } of await opendir(directory)) names.push(name);
  const last = names.filter((name) => name !== "new.json").at(-1) as string;
  const { view, follower } = newView(directory);
  async function* saved(): AsyncGenerator<SavedFile[]> {
    setImmediate(() => unlinkSync(join(directory, last)));
    yield cached;
  }
  expect(await follower.open(saved())).toBe(false);
  expect(view.catalog.index.has("new")).toBe(true);
  await eventually(() => expect(view.catalog.get(last)).toBeUndefined());
});
