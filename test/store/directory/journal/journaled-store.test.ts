/**
 * Acknowledged reports outlive the process: the directory as a kill would leave it, opened by the next one.
 */
import { cp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseJson, stringifyJson } from "../../../../src/json/exact-json.ts";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { encodeFrame } from "../../../../src/store/directory/journal/frame.ts";
import { progressRecord } from "../../../../src/store/directory/journal/record.ts";
import { eventually } from "../../../support/eventually.ts";
import { runs } from "../../../support/runs.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, openLagging } from "../outside.ts";

const id = parseSessionId("s");
const names = Array.from({ length: 40 }, (_, n) => `f${n}`);
/** A store with reports whose JSON file lags behind, and a copy of its directory as a kill would leave it. */
async function killed(
  prepare?: (store: DirectoryStore, directory: string) => Promise<void>,
): Promise<{ copy: string; session: Session }> {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: names });
  await Promise.all(
    names.slice(0, 20).map((name, n) => store.report(id, { processed: [name], results: { [name]: n } })),
  );
  await prepare?.(store, directory);
  const copy = join(await tempDir(), "copy");
  await cp(directory, copy, { recursive: true });
  return { copy, session: (await store.read(id)).session };
}

const fileOf = async (directory: string) =>
  parseJson(await readFile(join(directory, "s.json"), "utf8")) as unknown as Session;
const segments = async (directory: string) =>
  (await readdir(join(directory, ".sessiond", "journal"))).filter((name) => name.endsWith(".log"));

test("are in the journal before the file, and in the file after a start", async () => {
  const { copy, session } = await killed();
  expect((await fileOf(copy)).processed_files).toEqual([]);
  const store = await openLagging(copy);
  expect((await store.read(id)).session).toEqual(session);
  await eventually(async () => expect(await fileOf(copy)).toEqual(session));
  expect(await store.summary(id)).toMatchObject({
    processed_count: 20,
    pending_count: 20,
    revision: session.revision,
  });
  await eventually(async () => expect((await segments(copy)).length).toBeLessThan(2));
  await store.close();
  expect(await segments(copy)).toEqual([]);
});

test("are applied once, whether the file was written before the kill or not", async () => {
  const { copy, session } = await killed(async (store) => {
    await store.apply(id, { type: "edit", labels: { a: "1" } });
    await store.report(id, { processed: ["f30"], added: ["new"] });
  });
  for (let start = 0; start < 3; start++) {
    const store = await openLagging(copy);
    expect((await store.read(id)).session).toEqual(session);
    await store.close();
  }
});

test("are given to a document that another program put in the place meanwhile", async () => {
  const { copy } = await killed();
  const document = { ...(await fileOf(copy)), pending_files: [...names, "theirs"], note: "edited" } as Record<
    string,
    unknown
  >;
  for (const key of ["revision", "generation", "created_time"]) delete document[key];
  await writeFile(join(copy, "s.json"), stringifyJson(document, { indent: 2 }));
  const store = await openLagging(copy);
  const { session } = await store.read(id);
  expect(session).toMatchObject({
    note: "edited",
    processed_files: names.slice(0, 20),
    pending_files: [...names.slice(20), "theirs"],
  });
});

test("are given to a document that replaces the file while the store runs", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: names });
  const before = await readFile(join(directory, "s.json"), "utf8");
  await store.report(id, { processed: ["f0"], results: { f0: 1 } });
  await writeFile(join(directory, "s.json.tmp"), before.replace('"/src"', '"/elsewhere"'));
  await rename(join(directory, "s.json.tmp"), join(directory, "s.json"));
  await eventually(async () => expect((await store.summary(id)).target_path).toBe("/elsewhere"));
  expect((await store.read(id)).session).toMatchObject({
    processed_files: ["f0"],
    partial_results: { f0: 1 },
  });
  const { revision } = await store.report(id, { processed: ["f1"] });
  expect(revision).toBeGreaterThan(3);
  expect((await store.read(id)).session.processed_files).toEqual(["f0", "f1"]);
});

test("come to nothing when another program deleted the session", async () => {
  const { copy } = await killed();
  await rm(join(copy, "s.json"));
  const store = await openLagging(copy);
  expect((await store.stats()).total).toBe(0);
  await store.close();
  expect(await segments(copy)).toEqual([]);
});

test("wait for a file that cannot be read, until it can", async () => {
  const { copy, session } = await killed();
  const text = await readFile(join(copy, "s.json"), "utf8");
  await writeFile(join(copy, "s.json"), "broken");
  const first = await openLagging(copy);
  await expect(first.read(id)).rejects.toMatchObject({ code: "session_corrupt" });
  await first.close();
  const second = await openLagging(copy);
  await writeFile(join(copy, "s.json"), text);
  await eventually(async () => expect((await second.summary(id)).processed_count).toBe(20));
  expect((await second.read(id)).session.partial_results).toEqual(session.partial_results);
});

test("are given to the backup that recover puts in the place of an unreadable file", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: names });
  await store.backup(id);
  await store.report(id, { processed: ["f0"], results: { f0: 1 } });
  await writeFile(join(directory, "s.json"), "broken");
  await eventually(async () => expect(await store.has(id)).toBe(false));
  await expect(store.report(id, { processed: ["f1"] })).rejects.toMatchObject({ code: "session_corrupt" });
  expect(await store.recover(id)).toMatchObject({ recovered: true });
  expect((await store.read(id)).session).toMatchObject({
    processed_files: ["f0"],
    partial_results: { f0: 1 },
  });
  await store.close();
  expect((await fileOf(directory)).processed_files).toEqual(["f0"]);
});

test("are in what the trash holds, and stay with their own session", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: names });
  await store.report(id, { processed: ["f0"] });
  await store.remove(id, { reason: "test" });
  await store.create({ session_id: id, config: { target_path: "/second" }, pending_files: names });
  const copy = join(await tempDir(), "copy");
  await cp(directory, copy, { recursive: true });
  const next = await openLagging(copy);
  expect((await next.read(id)).session.processed_files).toEqual([]);
  await next.remove(id, { reason: "test", purge: true });
  await next.restoreTrash(id);
  expect((await next.read(id)).session.processed_files).toEqual(["f0"]);
});

test("a write that a crash interrupted is cut off, kept and said; every acknowledged report is there", async () => {
  const { copy, session } = await killed();
  const [segment = ""] = await segments(copy);
  const path = join(copy, ".sessiond", "journal", segment);
  const bytes = await readFile(path);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  // What was not acknowledged has the size of a sector at least, of which the end was never written.
  const report = { generation: 0n, revision: 99, time: 0, payload: Buffer.alloc(2000, "x") };
  const unfinished = encodeFrame(1000, [progressRecord("s", report)]);
  unfinished.copy(bytes, end, 0, 700);
  await writeFile(path, bytes);
  const store = await openLagging(copy);
  expect((await store.read(id)).session).toEqual(session);
  const kept = `journal-${segment}-bytes-${end}-${end + 700}.torn`;
  expect(await readdir(join(copy, ".sessiond", "quarantine"))).toEqual([kept]);
  const place = join(copy, ".sessiond", "quarantine", kept);
  expect(await readFile(place)).toEqual(unfinished.subarray(0, 700));
  const problem = { code: "journal_torn", message: expect.stringContaining(`700 bytes (bytes ${end} to`) };
  expect(await store.health()).toMatchObject([
    { ...problem, hint: expect.stringContaining(`rm -r ${place}`) },
  ]);
  await store.close();

  // Said until somebody deletes it.
  const next = await openLagging(copy);
  expect(await next.health()).toMatchObject([{ code: "journal_torn" }]);
  await rm(place);
  expect(await next.health()).toEqual([]);
});

test("cut anywhere, the journal gives the reports in order and none in pieces", async () => {
  const { copy } = await killed();
  const [segment = ""] = await segments(copy);
  const path = join(copy, ".sessiond", "journal", segment);
  const { length } = await readFile(path);
  for (let cut = length - 1; cut > 0; cut -= Math.ceil(length / runs(10, 50).numRuns)) {
    const torn = join(await tempDir(), "copy");
    await cp(copy, torn, { recursive: true });
    await truncate(join(torn, ".sessiond", "journal", segment), cut);
    const store = await openLagging(torn);
    const { processed_files, pending_files, partial_results } = (await store.read(id)).session;
    expect([...processed_files, ...pending_files]).toEqual(names);
    expect(Object.keys(partial_results)).toEqual(processed_files);
    await store.close();
  }
});

test("damage in the middle stops that session, names it, and keeps the segment", async () => {
  const { copy } = await killed(async (store) => {
    await store.create({ session_id: "other", config, pending_files: ["x", "y"] });
    await store.report(parseSessionId("other"), { processed: ["x"] });
    await store.report(id, { processed: ["f20"] });
  });
  const [segment = ""] = await segments(copy);
  const path = join(copy, ".sessiond", "journal", segment);
  const bytes = await readFile(path);
  const at = bytes.indexOf('"f7"');
  bytes[at + 1] = 0x00;
  await writeFile(path, bytes);
  const store = await openLagging(copy);
  expect(await store.health()).toMatchObject([
    { code: "journal_damaged", session_id: null, message: expect.stringContaining(segment) },
    { code: "journal_damaged", session_id: "s" },
  ]);
  expect((await store.read(id)).session).toMatchObject({
    status: "paused",
    status_reason: expect.stringContaining("damaged"),
  });
  expect((await store.read(id)).session.pending_files).toContain("f7");
  expect((await store.read(parseSessionId("other"))).session).toMatchObject({
    status: "running",
    processed_files: ["x"],
  });
  expect(await readdir(join(copy, ".sessiond", "quarantine"))).toEqual([`journal-${segment}`]);
});

test("the file follows within the lag, and the journal goes once nothing needs it", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory, 50);
  await store.create({ session_id: id, config, pending_files: names });
  await store.report(id, { processed: ["f0"] });
  await eventually(async () => expect((await fileOf(directory)).processed_files).toEqual(["f0"]));
  await store.report(id, { processed: ["f1"] });
  await store.close();
  expect((await fileOf(directory)).processed_files).toEqual(["f0", "f1"]);
  const next = await openLagging(directory, 50);
  expect(await segments(directory)).toEqual([]);
  expect((await next.read(id)).session.processed_files).toEqual(["f0", "f1"]);
});
