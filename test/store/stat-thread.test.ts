import { lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { adoptSaved } from "../../src/store/adopt-saved.ts";
import { readDocument } from "../../src/store/document.ts";
import { FileCatalog } from "../../src/store/file-catalog.ts";
import type { CachedFile } from "../../src/store/index-cache.ts";
import { identityOf } from "../../src/store/session-file.ts";
import { StatThread } from "../../src/store/stat-thread.ts";
import { tempDir } from "../support/temp-dir.ts";
import { foreignSession, putOutside } from "./outside.ts";

async function started(): Promise<StatThread> {
  const thread = StatThread.start() as StatThread;
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

test("a saved index is believed where the files are the same, whoever looks at them", async () => {
  const directory = await tempDir();
  const known = new FileCatalog();
  const files = Array.from({ length: 400 }, (_, n) => `s${n}.json`);
  for (const [n, file] of files.entries()) {
    putOutside(directory, file, foreignSession(`s${n}`));
    const document = readDocument(join(directory, file));
    if (document !== undefined) known.adopt(file, document);
  }
  const cached = [...known.cached()];
  const changed = ["s3.json", "s250.json", "s399.json"];
  for (const file of changed)
    putOutside(directory, file, foreignSession(file.slice(0, -5), { status: "failed" }));

  async function* oneByOne(): AsyncGenerator<CachedFile[]> {
    // The first ones before there is a thread, the last ones when it surely has begun.
    yield* cached.slice(0, 200).map((file) => [file]);
    const thread = await started();
    await thread.close();
    yield* cached.slice(200).map((file) => [file]);
  }
  const catalog = new FileCatalog();
  expect(await adoptSaved(oneByOne(), directory, catalog)).toEqual({ count: 397, isCurrent: false });
  expect([...catalog.names()].sort()).toEqual(files.filter((file) => !changed.includes(file)).sort());
  expect(catalog.index.get("s250")).toBeUndefined();
  expect(catalog.index.get("s251")).toEqual(known.index.get("s251"));
});
