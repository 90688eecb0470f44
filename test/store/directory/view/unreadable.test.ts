/** A file that cannot be read costs one read, and another one only when something about it changed. */
import { chmodSync, existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import { eventually } from "../../../support/eventually.ts";
import { processorTime } from "../../../support/processor-time.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { withoutRoot } from "../../../support/without-root.ts";
import { foreignSession, openStore } from "../outside.ts";

const bytes = 8 * 1024 * 1024;
const broken = `{${" ".repeat(bytes - 1)}`;
const accountOfReads = "/proc/self/io";

/** What this process has read, in bytes, from anywhere. */
function readBytes(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(accountOfReads, "utf8"))?.[1]);
}

describe.skipIf(!existsSync(accountOfReads))("a large file that cannot be read", () => {
  async function withBroken() {
    const path = join(await tempDir(), "s.json");
    writeFileSync(path, broken);
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    const store = await openStore(join(path, ".."));
    expect(await store.health()).toMatchObject([{ code: "unreadable_file" }]);
    return { path, store };
  }

  test("is not read again when everything is compared, while nobody touches it", async () => {
    const { store } = await withBroken();
    const before = readBytes();
    for (let round = 0; round < 10; round++) await store.reconcile();
    expect(readBytes() - before).toBeLessThan(bytes);
    expect(await store.health()).toMatchObject([{ code: "unreadable_file" }]);
  });

  test("is read again when its permissions change", async () => {
    const { path, store } = await withBroken();
    const before = readBytes();
    chmodSync(path, 0o600);
    await store.reconcile();
    expect(readBytes() - before).toBeGreaterThanOrEqual(bytes);
  });

  test("is told at once, without waiting for another half that is not being written", async () => {
    const { store } = await withBroken();
    const started = performance.now();
    for (let n = 0; n < 10; n++)
      await expect(store.read(id("s"))).rejects.toMatchObject({ code: "session_corrupt" });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

test("a file without permission is a session once it has it, with nothing else changed", async () => {
  withoutRoot();
  const directory = await tempDir();
  const path = join(directory, "s.json");
  writeFileSync(path, JSON.stringify(foreignSession("s")));
  chmodSync(path, 0o000);
  const store = await openStore(directory);
  expect(await store.health()).toMatchObject([
    { code: "unreadable_file", message: expect.stringContaining("permission") },
  ]);
  await expect(store.read(id("s"))).rejects.toMatchObject({ code: "session_corrupt" });
  chmodSync(path, 0o644);
  await store.reconcile();
  await eventually(async () => expect(await store.health()).toEqual([]));
  expect((await store.read(id("s"))).session.pending_files).toEqual(["a.py"]);
});

test("a large file that is no object is told without being parsed", async () => {
  const directory = await tempDir();
  writeFileSync(join(directory, "s.json"), `[${"[],".repeat(5_000_000)}[]]`);
  const took = await processorTime(async () => {
    const store = await openStore(directory);
    expect(await store.health()).toMatchObject([{ message: expect.stringContaining("not a JSON object") }]);
  });
  expect(took).toBeLessThan(1500);
});
