/** Backups go by the id inside them: the original module gives two ids the same names of files. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stringifyJson } from "../../../src/json/exact-json.ts";
import { parseSessionId as id } from "../../../src/session/session-id.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { foreignSession, openStore } from "./outside.ts";

/** A directory in which the original module has kept sessions and made backups of them. */
async function withBackups(backups: Readonly<Record<string, string>>): Promise<string> {
  const directory = await tempDir();
  mkdirSync(join(directory, "backups"));
  for (const [name, text] of Object.entries(backups)) writeFileSync(join(directory, "backups", name), text);
  return directory;
}

const backupOf = (session_id: string, pending: string) =>
  stringifyJson(foreignSession(session_id, { pending_files: [pending] }), { indent: 2 });

describe("backups of the original module", () => {
  const names = {
    "ab_20260101_000000.json": backupOf("a.b", "dot"),
    "ab_20260102_000000.json": backupOf("ab", "plain"),
    "ab_20260103_000000.json": backupOf("a b", "space"),
    "ab_20260104_000000_2.json": backupOf("a.b", "second"),
    "_20260101_000000.json": backupOf("...", "only dots"),
    "other_20260101_000000.json": backupOf("a.b", "named after another"),
    "ab_notes.json": backupOf("a.b", "no backup"),
  };

  test.each([
    ["a.b", ["ab_20260101_000000.json", "ab_20260104_000000_2.json"]],
    ["ab", ["ab_20260102_000000.json"]],
    ["a b", ["ab_20260103_000000.json"]],
    ["...", ["_20260101_000000.json"]],
  ])("of %j are listed, and can be restored", async (session, expected) => {
    const store = await openStore(await withBackups(names));
    const listed = await store.listBackups(id(session));
    expect(listed.map(({ backup }) => backup).sort()).toEqual(expected);
    for (const { backup, session_id } of listed) {
      expect(session_id).toBe(session);
      expect((await store.restoreBackup(id(session), backup)).session.session_id).toBe(session);
    }
    const { backup } = await store.backup(id(session));
    expect(await store.listBackups(id(session))).toContainEqual(expect.objectContaining({ backup }));
  });

  test("bring a session back whose file cannot be read", async () => {
    const directory = await withBackups(names);
    writeFileSync(join(directory, "a.b.json"), "half");
    const store = await openStore(directory);
    const recovery = await store.recover(id("a.b"));
    expect(recovery).toMatchObject({ recovered: true });
    expect((await store.read(id("a.b"))).session.session_id).toBe("a.b");
  });

  test("that cannot be read are listed by their names, and refused", async () => {
    const directory = await withBackups({
      "ab_20260101_000000.json": "{",
      "ab_20260102_000000.json": backupOf("ab", "x").replace('"session_id"', '"more": [], "session_id"'),
    });
    mkdirSync(join(directory, "backups", "ab_20260103_000000.json"));
    const store = await openStore(directory);
    const listed = (await store.listBackups(id("ab"))).map(({ backup }) => backup).sort();
    expect(listed).toEqual(["ab_20260101_000000.json", "ab_20260102_000000.json"]);
    await expect(store.listBackups(id("a.b"))).rejects.toMatchObject({ code: "session_not_found" });
    await expect(store.restoreBackup(id("ab"), "ab_20260101_000000.json")).rejects.toMatchObject({
      code: "invalid_request",
    });
    await store.restoreBackup(id("ab"), "ab_20260102_000000.json");
  });
});
