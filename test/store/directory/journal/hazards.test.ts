/** What other programs, kills and bad luck do to reports that were acknowledged a moment ago. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, killed, openLagging, putOutside } from "../outside.ts";

const id = parseSessionId("s");
const documentIn = (directory: string) =>
  JSON.parse(readFileSync(join(directory, "s.json"), "utf8")) as Session;

function segmentsIn(directory: string): string[] {
  const journal = join(directory, ".sessiond", "journal");
  return readdirSync(journal)
    .filter((name) => name.endsWith(".log"))
    .map((name) => join(journal, name));
}

async function processedIn(store: DirectoryStore): Promise<readonly string[]> {
  return (await store.read(id)).session.processed_files;
}

const edits: Readonly<Record<string, (document: Session) => Session>> = {
  "keeps all keys": (document) => ({ ...document, note: String(Math.random()) }),
  "knows of no revision and no generation": ({ revision: _, generation: __, ...document }) =>
    document as Session,
  "counts the revision up on its own": (document) => ({
    ...document,
    revision: (document.revision ?? 1) + 1000,
  }),
  "writes an old revision": (document) => ({ ...document, revision: 1, note: String(Math.random()) }),
};

describe.each(Object.entries(edits))("a program that %s", (_, edit) => {
  test("edits the file under load: no kill takes what was acknowledged", async () => {
    const directory = await tempDir();
    const store = await openLagging(directory, 5);
    await store.create({ session_id: id, config });
    const acknowledged: string[] = [];
    const copies: { copy: string; expected: string[] }[] = [];
    let isOver = false;
    const lane = async (lane: number) => {
      for (let n = 0; !isOver; n++) {
        const file = `${lane}-${n}`;
        await store.report(id, { processed: [file], results: { [file]: n } });
        acknowledged.push(file);
      }
    };
    const lanes = Promise.all([0, 1, 2, 3].map(lane));
    for (let round = 0; round < 12; round++) {
      const before = acknowledged.length;
      putOutside(directory, "s.json", edit(documentIn(directory)));
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 5 * round));
      copies.push({ copy: await killed(directory), expected: [...acknowledged] });
    }
    isOver = true;
    await lanes;
    expect(new Set(await processedIn(store))).toEqual(new Set(acknowledged));
    await store.close();
    for (const { copy, expected } of copies) {
      const next = await openLagging(copy);
      const found = new Set(await processedIn(next));
      expect(expected.filter((file) => !found.has(file))).toEqual([]);
      expect(await next.health()).toEqual([]);
      await next.close();
    }
  });
});

test("reports that arrive together, and while the session is changed, are applied in the order of the calls", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory, 1);
  await store.create({ session_id: id, config });
  const tasks: Promise<unknown>[] = [];
  let last = 0;
  for (let n = 0; n < 2000; n++) {
    tasks.push(store.report(id, { added: [`f${n}`], results: { last: n } }));
    if (n % 97 === 0) tasks.push(store.apply(id, { type: "edit", labels: { at: String(n) } }));
    if (n % 31 === 0) await Promise.race(tasks.slice(-20));
    last = n;
  }
  await Promise.all(tasks);
  const { session } = await store.read(id);
  expect(session.partial_results).toEqual({ last });
  expect(session.pending_files).toEqual(Array.from({ length: 2000 }, (_, n) => `f${n}`));
  expect((await (await openLagging(await killed(directory))).read(id)).session.pending_files).toHaveLength(
    2000,
  );
});

test("a file that is deleted and written again, as some editors save, is still the session", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  const text = readFileSync(join(directory, "s.json"), "utf8");
  await store.report(id, { processed: ["a"] });
  rmSync(join(directory, "s.json"));
  await eventually(async () => expect(await store.has(id)).toBe(false));
  writeFileSync(join(directory, "s.json"), text);
  await eventually(async () => expect(await store.has(id)).toBe(true));
  expect(await processedIn(store)).toEqual(["a"]);
});

test("an id that is changed inside of the file takes the reports out of sight, and back with it", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  const document = documentIn(directory);
  await store.report(id, { processed: ["a"] });
  putOutside(directory, "s.json", { ...document, session_id: "other" });
  await eventually(async () => expect(await store.has(parseSessionId("other"))).toBe(true));
  expect((await store.read(parseSessionId("other"))).session.processed_files).toEqual([]);
  await expect(store.report(id, { processed: ["b"] })).rejects.toMatchObject({ code: "session_not_found" });
  putOutside(directory, "s.json", document);
  await eventually(async () => expect(await store.has(id)).toBe(true));
  expect(await processedIn(store)).toEqual(["a"]);
});

test.each([
  ["half of a surrogate pair", "\ud800"],
  ["70,000 characters", "g".repeat(70_000)],
  ["nothing", ""],
])("a generation of %s is one like any other", async (_, generation) => {
  const directory = await tempDir();
  putOutside(directory, "s.json", foreignSession(id, { generation }));
  const store = await openLagging(directory);
  await store.report(id, { processed: ["a"] });
  const next = await openLagging(await killed(directory));
  expect(await processedIn(next)).toEqual(["a"]);
  expect((await next.read(id)).session.generation).toBe(generation);
});

test("a program that keeps writing while the store opens does not keep it from opening", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  await store.report(id, { processed: ["a"] });
  const copy = await killed(directory);
  const script = `
    const { readFileSync, writeFileSync, renameSync } = require("node:fs");
    const file = ${JSON.stringify(join(copy, "s.json"))};
    const document = JSON.parse(readFileSync(file, "utf8"));
    for (let n = 0; ; n++) {
      writeFileSync(file + ".tmp", JSON.stringify({ ...document, note: "x".repeat(n % 1000) }));
      renameSync(file + ".tmp", file);
    }`;
  const writer = new Worker(script, { eval: true });
  onTestFinished(async () => void (await writer.terminate()));
  await eventually(() => expect(documentIn(copy).note).toBeDefined());
  const next = await openLagging(copy);
  await eventually(async () => expect(await processedIn(next)).toEqual(["a"]));
  await writer.terminate();
  await eventually(async () => expect((await next.read(id)).session.note).toBeDefined());
  expect(await processedIn(next)).toEqual(["a"]);
  await next.close();
  expect(documentIn(copy)).toMatchObject({ processed_files: ["a"] });
});

/**
 * A session whose reports wait because its file cannot be read, so that the segments of several starts stay.
 */
async function waiting(): Promise<{ directory: string; text: string }> {
  let directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: ["a", "b", "c"] });
  await store.create({ session_id: "other", config, pending_files: ["x", "y"] });
  await store.report(id, { processed: ["a"] });
  const text = readFileSync(join(directory, "s.json"), "utf8");
  for (const file of ["x", "y"]) {
    directory = await killed(directory);
    writeFileSync(join(directory, "s.json"), "broken");
    const next = await openLagging(directory);
    await next.report(parseSessionId("other"), { processed: [file] });
  }
  return { directory: await killed(directory), text };
}

test("reports wait for their file through any number of kills", async () => {
  const { directory, text } = await waiting();
  expect(segmentsIn(directory).length).toBe(3);
  const store = await openLagging(directory);
  writeFileSync(join(directory, "s.json"), text);
  await eventually(async () => expect(await processedIn(store)).toEqual(["a"]));
  expect((await store.summary(parseSessionId("other"))).processed_count).toBe(2);
  await store.close();
  expect(segmentsIn(directory)).toEqual([]);
  expect(documentIn(directory).processed_files).toEqual(["a"]);
});

test.each([0, 1])("segment %i that somebody took away is missed", async (missing) => {
  const { directory } = await waiting();
  rmSync(segmentsIn(directory)[missing] as string);
  const store = await openLagging(directory);
  expect(await store.health()).toContainEqual(expect.objectContaining({ code: "journal_damaged" }));
});

test("a file of somebody else in the journal's directory is left alone", async () => {
  const { directory } = await waiting();
  const foreign = join(directory, ".sessiond", "journal", "9999999999999999.log");
  writeFileSync(foreign, "mine");
  const store = await openLagging(directory);
  await store.report(parseSessionId("other"), { added: ["z"] });
  expect(readFileSync(foreign, "utf8")).toBe("mine");
  expect((await store.health()).filter(({ code }) => code === "journal_damaged")).toEqual([]);
  const next = await openLagging(await killed(directory));
  expect((await next.summary(parseSessionId("other"))).pending_count).toBe(1);
});

test("a journal that nothing needs any more goes while the store runs, and not only when it is large", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory, 20);
  await store.create({ session_id: id, config });
  for (let n = 0; n < 30; n++) await store.report(id, { results: { filler: `${n}${"x".repeat(100_000)}` } });
  await eventually(() => expect(documentIn(directory).partial_results.filler).toMatch(/^29x/));
  await store.report(id, { results: { last: true } });
  await eventually(() => expect(documentIn(directory).partial_results.last).toBe(true));
  await eventually(() => {
    const sizes = segmentsIn(directory).map((segment) => readFileSync(segment).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_200_000);
  });
  const next = await openLagging(await killed(directory));
  expect((await next.read(id)).session.partial_results.last).toBe(true);
});
