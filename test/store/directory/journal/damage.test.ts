/**
 * Whatever is damaged in a journal, wherever: after the start every acknowledged report is there, or `health`
 * says what is lost and quarantine has the bytes. No damage is passed over, and none ends the start.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { FaultyFileSystem } from "../../../support/faulty-file-system.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, killed, openLagging, quarantined } from "../outside.ts";
import { damageEach, damages, ids, journalOf, processed } from "./damaged-journal.ts";

describe.each(Object.entries(damages))("%s", (_, damage) => {
  // Some places in each record. test/long/journal-damage.test.ts takes more.
  test("is told wherever it is, unless nothing is lost by it", () => damageEach(damage, 193), 60_000);
});

test("damage of the last report that was acknowledged is no torn tail", async () => {
  const { copy, path, segment, bytes, filled } = await journalOf(4, 2000);
  bytes.write("!", filled - 50);
  writeFileSync(path, bytes);
  const store = await openLagging(copy);
  const [problem] = await store.health();
  expect(problem).toMatchObject({ code: "journal_damaged", message: expect.stringContaining(segment) });
  expect(problem?.message).toContain("(what is left is of");
  expect(problem?.message).toContain(join(copy, ".sessiond", "quarantine", `journal-${segment}`));
  expect(await quarantined(copy)).toEqual([`journal-${segment}`]);
  // What is read is read again by the next start, until the files hold it.
  const next = await openLagging(await killed(copy));
  expect(await processed(next)).toEqual(await processed(store));
});

test("sessions of the same damaged segment go on, and lose nothing of their own", async () => {
  const { copy, path, bytes } = await journalOf(6);
  bytes[bytes.indexOf('"f3"') + 1] = 0x7f;
  writeFileSync(path, bytes);
  const store = await openLagging(copy);
  const stopped = [];
  for (const id of ids) if ((await store.read(id)).session.status === "paused") stopped.push(id);
  expect(stopped).toEqual(["a"]);
  expect(await store.health()).toMatchObject([
    { code: "journal_damaged", session_id: null },
    { code: "journal_damaged", session_id: "a", hint: expect.stringContaining("sessionctl resume a") },
  ]);
});

test("a segment that was cut short after its last report is missed", async () => {
  const { copy, path, filled } = await journalOf(4);
  for (const length of [filled, 0]) {
    const directory = join(await tempDir(), "copy");
    await cp(copy, directory, { recursive: true });
    truncateSync(path.replace(copy, directory), length);
    const store = await openLagging(directory);
    expect(await store.health()).toMatchObject([
      { code: "journal_damaged", message: expect.stringContaining("was cut short by another program") },
    ]);
    await store.close();
    const next = await openLagging(directory);
    expect(await next.health()).toEqual([]);
  }
});

test.each([
  ["the last segment", (path: string) => rmSync(path)],
  ["the whole journal", (path: string) => rmSync(join(path, ".."), { recursive: true })],
  ["the mark", (path: string) => rmSync(join(path, "..", "pruned"))],
])("%s that was taken away is missed", async (_, take) => {
  const { copy } = await journalOf(2);
  // A start that saved its index.
  await (await openLagging(copy)).close();
  const store = await openLagging(copy);
  await store.create({ session_id: "d", config });
  await store.report(parseSessionId("d"), { processed: ["x"] });
  const again = await killed(copy);
  const [segment = ""] = readdirSync(join(again, ".sessiond", "journal")).filter((name) =>
    name.endsWith(".log"),
  );
  take(join(again, ".sessiond", "journal", segment));
  const next = await openLagging(again);
  expect(await next.health()).toMatchObject([
    { code: "journal_damaged", message: expect.stringContaining("taken away") },
  ]);
  await next.close();
  expect(await (await openLagging(again)).health()).toEqual([]);
});

test("a journal that a stop left is missed by nobody, and neither is one that there never was", async () => {
  const { copy } = await journalOf(2);
  const store = await openLagging(copy);
  await store.close();
  expect(await (await openLagging(copy)).health()).toEqual([]);
});

describe("a segment that cannot be read", () => {
  const moved = async (path: string) => {
    const bytes = readFileSync(path);
    rmSync(path);
    return bytes;
  };

  test.each([
    ["is a directory", (path: string) => mkdirSync(path)],
    ["is a link", (path: string) => symlinkSync("/dev/null", path)],
    ["is larger than any", (path: string) => truncateSync(path, 3 * 2 ** 30)],
  ])("because it %s: ends the start with what to do, and is there when it is put right", async (_, put) => {
    const { copy, path, expected } = await journalOf(2);
    const bytes = await moved(path);
    if (_ === "is larger than any") writeFileSync(path, "");
    put(path);
    const refusal = await openLagging(copy).catch((error: Error) => error.message);
    expect(refusal).toContain(`mv ${path} ${join(copy, ".sessiond", "quarantine")}`);
    rmSync(path, { recursive: true });
    writeFileSync(path, bytes);
    expect(await processed(await openLagging(copy))).toEqual(expected);
  });

  test.each(["EIO", "EACCES"])("for %s: is never removed", async (code) => {
    const { copy, path, segment, expected } = await journalOf(2);
    const disk = new FaultyFileSystem();
    disk.fail((operation) => operation.name === "readFile" && operation.path === path, code);
    await expect(openLagging(copy, 3_600_000, disk.fileSystem)).rejects.toMatchObject({
      code: "storage_failed",
      message: expect.stringMatching(/cannot be read.*start sessiond again/),
    });
    expect(await processed(await openLagging(await killed(copy)))).toEqual(expected);

    // The other way that the refusal names.
    writeFileSync(join(copy, ".sessiond", "quarantine", `journal-${segment}`), await moved(path));
    const store = await openLagging(copy);
    const codes = (await store.health()).map((problem) => problem.code);
    expect(codes).toEqual(["journal_damaged", "journal_damaged"]);
  });
});
