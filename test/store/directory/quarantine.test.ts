/** What goes to quarantine is only ever what cannot be read, and it gets there whatever it is called. */
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId as id, type SessionId } from "../../../src/session/session-id.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { foreignSession, openStore, putOutside, quarantined } from "./outside.ts";

const broken = '{"session_id": "s", "sta';
const mended = foreignSession("s", { processed_files: ["mended"] });

/** Not written a moment ago, so that nobody waits for its other half. */
function breakLongAgo(path: string): void {
  writeFileSync(path, broken);
  utimesSync(path, 1_000_000_000, 1_000_000_000);
}

describe("a file that was mended since it was found unreadable", () => {
  test("is backed up and replaced when a backup is restored, and not put aside", async () => {
    const directory = await tempDir();
    const path = join(directory, "s.json");
    breakLongAgo(path);
    const store = await openStore(directory);
    expect(await store.health()).toMatchObject([{ code: "unreadable_file" }]);
    const backup = join(directory, "earlier.backup");
    writeFileSync(backup, JSON.stringify(foreignSession("s")));

    putOutside(directory, "s.json", mended);
    const { previous } = await store.restoreBackup(id("s"), backup);
    expect(await quarantined(directory)).toEqual([]);
    const kept = await readFile(join(directory, "backups", previous as string), "utf8");
    expect(JSON.parse(kept).processed_files).toEqual(["mended"]);
    expect((await store.read(id("s"))).session.processed_files).toEqual([]);
  });

  test("is a session when it is recovered, at whatever moment it was mended", async () => {
    const directory = await tempDir();
    const store = await openStore(directory);
    // A file for each moment, which was never a session: nobody waits for it to become one again.
    for (let moment = 0; moment < 30; moment++) {
      const [session, path] = [`s${moment}`, join(directory, `s${moment}.json`)];
      breakLongAgo(path);
      await store.reconcile();
      const before = await quarantined(directory);
      const recovery = store.recover(id(session));
      for (let turn = 0; turn < moment; turn++) await undefined;
      putOutside(directory, `${session}.json`, { ...mended, session_id: session });
      await recovery;
      expect(JSON.parse(readFileSync(path, "utf8")).processed_files).toEqual(["mended"]);
      for (const name of await quarantined(directory)) {
        if (before.includes(name)) continue;
        expect(readFileSync(join(directory, ".sessiond", "quarantine", name), "utf8")).toBe(broken);
      }
    }
  });
});

describe("a long name in other scripts", () => {
  test.each([
    ["two bytes each", "é".repeat(120)],
    ["a pair of code units each", "𝒳".repeat(60)],
  ])("%s: is shortened, so that its file can be put aside", async (_, name) => {
    const directory = await tempDir();
    const file = `${name}.json`;
    putOutside(directory, file, foreignSession("s"));
    const store = await openStore(directory);
    breakLongAgo(join(directory, file));
    await store.reconcile();
    const { quarantined: place } = await store.recover(id("s"));
    expect(await readFile(place as string, "utf8")).toBe(broken);
    expect(existsSync(join(directory, file))).toBe(false);
    expect(await store.health()).toEqual([]);
  });

  test("also where no session was ever read from it", async () => {
    const directory = await tempDir();
    const name = "é".repeat(120);
    breakLongAgo(join(directory, `${name}.json`));
    const store = await openStore(directory);
    const { quarantined: place } = await store.recover(name as SessionId);
    expect(await readFile(place as string, "utf8")).toBe(broken);
  });
});

test.each(["schedule", "approvals"])(
  "a record that cannot be read (%s) is put aside, and begun anew",
  async (name) => {
    const directory = await tempDir();
    const first = await openStore(directory);
    await first.records.replace(name, { jobs: [] });
    await first.close();
    writeFileSync(join(directory, ".sessiond", `${name}.json`), '{"jobs": [');
    const store = await openStore(directory);
    expect(await store.records.load(name)).toBeUndefined();
    const [aside] = await quarantined(directory);
    expect(aside).toMatch(new RegExp(`^${name}-\\d+\\.json$`));
    expect(readFileSync(join(directory, ".sessiond", "quarantine", aside as string), "utf8")).toBe(
      '{"jobs": [',
    );
    await store.records.replace(name, { jobs: ["new"] });
    expect(await store.records.load(name)).toEqual({ jobs: ["new"] });
  },
);
