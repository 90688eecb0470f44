/** The store's own directories follow no link, and belong to one store at a time. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, openStore } from "../outside.ts";

describe("the store's own directories", () => {
  test.each([".sessiond", ".sessiond/staging", ".sessiond/trash", ".sessiond/quarantine"])(
    "%s is no symbolic link: what it leads to is not swept, read or filled",
    async (own) => {
      const [directory, precious] = [await tempDir(), await tempDir()];
      await writeFile(join(precious, "1.tmp"), "precious");
      await writeFile(join(precious, "old.json"), JSON.stringify(foreignSession("old")));
      await mkdir(join(directory, own, ".."), { recursive: true });
      await symlink(precious, join(directory, own));
      await expect(openStore(directory)).rejects.toMatchObject({
        code: "storage_failed",
        message: expect.stringContaining(`${own} is a symbolic link`),
      });
      expect((await readdir(precious)).sort()).toEqual(["1.tmp", "old.json"]);
      expect(await readFile(join(precious, "1.tmp"), "utf8")).toBe("precious");

      await rm(join(directory, own));
      const store = await openStore(directory);
      await store.create({ session_id: "s", config });
      expect((await readdir(precious)).sort()).toEqual(["1.tmp", "old.json"]);
    },
  );

  test("a link to nothing is refused as well, and nothing is made where it leads", async () => {
    const [directory, elsewhere] = [await tempDir(), await tempDir()];
    await mkdir(join(directory, ".sessiond"));
    await symlink(join(elsewhere, "made"), join(directory, ".sessiond", "staging"));
    await expect(openStore(directory)).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readdir(elsewhere)).toEqual([]);
  });

  test("the note of who holds the lock follows no link", async () => {
    const [directory, elsewhere] = [await tempDir(), await tempDir()];
    const precious = join(elsewhere, "precious");
    await writeFile(precious, "precious");
    await mkdir(join(directory, ".sessiond"));
    await symlink(precious, join(directory, ".sessiond", "lock"));
    await openStore(directory);
    expect(await readFile(precious, "utf8")).toBe("precious");
  });

  test("deleting the lock, or all that is the store's own, lets no second store in", async () => {
    const directory = await tempDir();
    const first = await openStore(directory);
    await rm(join(directory, ".sessiond", "lock"));
    await expect(openStore(directory)).rejects.toMatchObject({ code: "directory_locked" });
    await rm(join(directory, ".sessiond"), { recursive: true });
    await expect(openStore(directory)).rejects.toMatchObject({ code: "directory_locked" });
    await first.close();
    await openStore(directory);
  });

  test("a link in the trash is no entry of it", async () => {
    const [directory, elsewhere] = [await tempDir(), await tempDir()];
    const secret = join(elsewhere, "secret.json");
    await writeFile(secret, JSON.stringify(foreignSession("secret")));
    await mkdir(join(directory, ".sessiond", "trash"), { recursive: true });
    await symlink(secret, join(directory, ".sessiond", "trash", "20260102030405123456-00000000.json"));
    const store = await openStore(directory);
    expect(await store.listTrash()).toMatchObject({ total: 0 });
    await store.emptyTrash();
    expect(existsSync(secret)).toBe(true);
  });

  test("a note in the trash that was tampered with leads no restore out of the directory", async () => {
    const directory = join(await tempDir(), "sessions");
    const first = await openStore(directory);
    await first.create({ session_id: "s", config });
    const { trash_id } = await first.remove(id("s"), { reason: "requested" });
    await first.close();
    const note = join(directory, ".sessiond", "trash", `${trash_id}.info`);
    await writeFile(
      note,
      JSON.stringify({ ...JSON.parse(await readFile(note, "utf8")), file: "../out.json" }),
    );
    const second = await openStore(directory);
    await second.restoreTrash(id("s"));
    expect(existsSync(join(directory, "..", "out.json"))).toBe(false);
    expect(existsSync(join(directory, "s.json"))).toBe(true);
  });
});

describe("a sessions directory that is replaced by another", () => {
  test("ends the store: nothing is acknowledged that nobody would find again", async () => {
    const base = await tempDir();
    const directory = join(base, "sessions");
    const store = await openStore(directory);
    await store.create({ session_id: "s", config });
    await rename(directory, join(base, "moved"));
    await mkdir(directory);
    expect((await store.failed).message).toContain(`${directory} was replaced by another directory`);
    for (const change of [
      store.create({ session_id: "late", config }),
      store.apply(id("s"), { type: "transition", verb: "pause" }),
      store.save(foreignSession("s")),
      store.remove(id("s"), { reason: "requested" }),
      store.backup(id("s")),
      store.emptyTrash(),
      store.records.replace("note", {}),
    ]) {
      await expect(change).rejects.toMatchObject({ code: "storage_failed" });
    }
    expect(await store.health()).toMatchObject([{ code: "storage_failed" }]);
    expect(await readdir(directory)).toEqual([]);
    expect(await readdir(join(base, "moved"))).toContain("s.json");
  });

  test("is noticed even where nothing is read or written", async () => {
    const base = await tempDir();
    const directory = join(base, "sessions");
    const store = await openStore(directory);
    await rename(directory, join(base, "moved"));
    await mkdir(directory);
    await store.failed;
    await expect(store.create({ session_id: "s", config })).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readdir(directory)).toEqual([]);
  });

  test("is not the same as one that is away for a while", async () => {
    const base = await tempDir();
    const directory = join(base, "sessions");
    const store = await openStore(directory);
    await store.create({ session_id: "s", config });
    await rename(directory, join(base, "moved"));
    await store.reconcile();
    expect(await store.health()).toMatchObject([{ code: "directory_unreadable" }]);
    expect(await store.has(id("s"))).toBe(true);
    await expect(store.create({ session_id: "t", config })).rejects.toMatchObject({ code: "storage_failed" });
    await rename(join(base, "moved"), directory);
    await store.reconcile();
    expect(await store.health()).toEqual([]);
    await store.create({ session_id: "t", config });
    expect((await store.stats()).total).toBe(2);
  });
});
