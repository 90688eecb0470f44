/**
 * A store over a directory: what its files hold, what it refuses, and what other programs may do to the
 * files.
 */
import { existsSync } from "node:fs";
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Session } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { foreignSession, openStore } from "./outside.ts";

const config = { target_path: "/src" };
const id = parseSessionId;

async function withStore(): Promise<{ directory: string; store: DirectoryStore }> {
  const directory = await tempDir();
  return { directory, store: await openStore(directory) };
}

function foreignText(session_id: string, changes: Partial<Session> = {}): string {
  return JSON.stringify(foreignSession(session_id, changes), null, 2);
}

describe("a session on disk", () => {
  test("is a readable JSON file of its name, complete when create resolves", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "nightly", config, pending_files: ["ä.ts"] });
    const text = await readFile(join(directory, "nightly.json"), "utf8");
    expect(text.endsWith("}\n")).toBe(true);
    expect(text).toContain('\n  "session_id": "nightly"');
    expect(text).toContain('"ä.ts"');
    expect(JSON.parse(text)).toMatchObject({ status: "running", revision: 1, pending_files: ["ä.ts"] });
    expect((await stat(join(directory, "nightly.json"))).mode & 0o777).toBe(0o640);
    expect(await readdir(join(directory, ".sessiond", "staging"))).toEqual([]);
  });

  test.each([
    ["../../etc/passwd", /^etcpasswd-[0-9a-f]{8}\.json$/],
    ["..", /^-[0-9a-f]{8}\.json$/],
    ["a.json.123", /^ajson123-[0-9a-f]{8}\.json$/],
    ["__proto__", /^__proto__\.json$/],
    ["сессия 1", /^сессия1-[0-9a-f]{8}\.json$/],
  ])("with the id %s stays in the directory", async (name, file) => {
    const { directory, store } = await withStore();
    await store.create({ session_id: name, config });
    const files = (await readdir(directory)).filter((entry) => entry !== ".sessiond");
    expect(files).toHaveLength(1);
    expect(files[0]).toMatch(file);
    expect((await store.read(id(name))).session.session_id).toBe(name);
  });

  test("never takes the file of another id", async () => {
    const { directory, store } = await withStore();
    await writeFile(join(directory, "wanted.json"), foreignText("someone-else"));
    await store.create({ session_id: "wanted", config });
    expect((await store.read(id("someone-else"))).session.config.target_path).toBe("/elsewhere");
    expect((await store.read(id("wanted"))).session.config.target_path).toBe("/src");
  });

  test("is not created over a file that cannot be read", async () => {
    const { directory, store } = await withStore();
    await writeFile(join(directory, "broken.json"), '{"session_id": "bro');
    await expect(store.create({ session_id: "broken", config })).rejects.toMatchObject({
      code: "session_corrupt",
    });
    expect(await readFile(join(directory, "broken.json"), "utf8")).toBe('{"session_id": "bro');
  });

  test("keeps what another program put into it", async () => {
    const { directory, store } = await withStore();
    const text = foreignText("exact").replace(
      '"partial_results": {}',
      '"partial_results": {"__proto__": 12345678901234567890, "π": 3.14159265358979323846264338327950288, "half": "\\ud83d", "z": -0.0}, "extra": [1e400]',
    );
    await writeFile(join(directory, "exact.json"), text);
    await eventually(async () => expect(await store.has(id("exact"))).toBe(true));
    await store.apply(id("exact"), { type: "transition", verb: "pause" });
    const written = await readFile(join(directory, "exact.json"), "utf8");
    for (const kept of [
      "12345678901234567890",
      "3.14159265358979323846264338327950288",
      "\\ud83d",
      "-0.0",
      "1e400",
      '"__proto__"',
    ]) {
      expect(written).toContain(kept);
    }
  });

  test("keeps the mode that it has", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "shared", config });
    await chmod(join(directory, "shared.json"), 0o664);
    await store.apply(id("shared"), { type: "transition", verb: "pause" });
    expect((await stat(join(directory, "shared.json"))).mode & 0o777).toBe(0o664);
  });
});

describe("revisions", () => {
  test("of another program's document may be anything", async () => {
    const { directory, store } = await withStore();
    await writeFile(join(directory, "s.json"), foreignText("s", { revision: Number.MAX_SAFE_INTEGER }));
    expect((await store.apply(id("s"), { type: "transition", verb: "pause" })).summary.revision).toBe(2);
    expect((await store.read(id("s"))).session.status).toBe("paused");
  });

  test("go on from what was known when another program writes an older document back", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "s", config });
    const first = await readFile(join(directory, "s.json"));
    await store.apply(id("s"), { type: "transition", verb: "pause" });
    await writeFile(join(directory, "s.json"), first);
    const { session, summary } = await store.read(id("s"));
    expect(session.status).toBe("running");
    expect(summary.revision).toBe(3);
    expect(session.revision).toBe(3);
  });
});

describe("other programs", () => {
  test("may write, replace and delete files while the store runs", async () => {
    const { directory, store } = await withStore();
    const file = join(directory, "outside.json");
    await writeFile(file, foreignText("outside"));
    await eventually(async () => expect((await store.summary(id("outside"))).pending_count).toBe(1));
    await writeFile(`${file}.tmp`, foreignText("outside", { status: "paused" }));
    await rename(`${file}.tmp`, file);
    await eventually(async () => expect((await store.summary(id("outside"))).status).toBe("paused"));
    await rm(file);
    await eventually(async () => expect(await store.has(id("outside"))).toBe(false));
    await expect(store.read(id("outside"))).rejects.toMatchObject({ code: "session_not_found" });
  });

  test("may write two versions right after one another: the last one counts", async () => {
    const { directory, store } = await withStore();
    const names = Array.from({ length: 40 }, (_, n) => `s${n}`);
    for (const version of ["running", "paused"] as const) {
      for (const name of names) {
        await writeFile(join(directory, `.${name}.new`), foreignText(name, { status: version }));
        await rename(join(directory, `.${name}.new`), join(directory, `${name}.json`));
      }
    }
    await eventually(async () => expect(await store.stats()).toMatchObject({ total: 40, paused: 40 }));
  });

  test("may rename a thousand files in a burst: the index equals the directory", async () => {
    const { directory, store } = await withStore();
    const stage = await tempDir();
    for (let n = 0; n < 1000; n++) await writeFile(join(stage, `s${n}.json`), foreignText(`s${n}`));
    await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        rename(join(stage, `s${n}.json`), join(directory, `s${n}.json`)),
      ),
    );
    await eventually(async () => expect((await store.stats()).total).toBe(1000));
  });

  test("may write in pieces: half a file is neither a session nor an error for long", async () => {
    const { directory, store } = await withStore();
    const text = foreignText("slow");
    await writeFile(join(directory, "slow.json"), text.slice(0, 40));
    await eventually(async () => expect(await store.health()).toHaveLength(1));
    await writeFile(join(directory, "slow.json"), text);
    await eventually(async () => expect(await store.has(id("slow"))).toBe(true));
    expect(await store.health()).toEqual([]);
  });

  test("two files with one id: the newer checkpoint is the session, the other is reported", async () => {
    const { directory, store } = await withStore();
    await writeFile(join(directory, "old.json"), foreignText("twin"));
    await writeFile(
      join(directory, "new.json"),
      foreignText("twin", { checkpoint_time: "2026-01-02T03:04:05.123457Z", status: "paused" }),
    );
    await eventually(async () => expect((await store.summary(id("twin"))).status).toBe("paused"));
    await eventually(async () =>
      expect(await store.health()).toMatchObject([{ code: "duplicate_session", session_id: "twin" }]),
    );
    await rm(join(directory, "new.json"));
    await eventually(async () => expect((await store.summary(id("twin"))).status).toBe("running"));
    expect(await store.health()).toEqual([]);
  });

  test("symbolic links, pipes and directories are not sessions, and are left alone", async () => {
    const { directory, store } = await withStore();
    const secret = join(await tempDir(), "secret.json");
    await writeFile(secret, foreignText("secret"));
    await symlink(secret, join(directory, "link.json"));
    await mkdir(join(directory, "directory.json"));
    await store.reconcile();
    expect((await store.stats()).total).toBe(0);
    await expect(store.read(id("link"))).rejects.toMatchObject({ code: "session_not_found" });
    expect(existsSync(secret)).toBe(true);
    await store.create({ session_id: "link", config });
    expect((await readFile(secret, "utf8")).includes("secret")).toBe(true);
  });
});

describe("what cannot be read", () => {
  test.each([
    ["empty", ""],
    ["torn", '{"session_id": "x", "sta'],
    ["not a session", '{"hello": 1}'],
    ["not UTF-8", Buffer.from([0x7b, 0xff, 0xfe])],
    ["twice the same key", foreignText("x").replace('"status"', '"status": "failed", "status"')],
    ["too deep", foreignText("x").replace("{}", `{"d": ${"[".repeat(600)}${"]".repeat(600)}}`)],
  ])("%s: is reported, kept, and does not block the rest", async (_, content) => {
    const directory = await tempDir();
    await writeFile(join(directory, "bad.json"), content);
    await writeFile(join(directory, "good.json"), foreignText("good"));
    const store = await openStore(directory);
    expect((await store.stats()).total).toBe(1);
    expect(await store.health()).toMatchObject([{ code: "unreadable_file", session_id: "bad" }]);
    await expect(store.read(id("bad"))).rejects.toMatchObject({ code: "session_corrupt" });
    await expect(store.summary(id("bad"))).rejects.toThrow(/bad\.json/);
    expect(await readFile(join(directory, "bad.json"))).toEqual(Buffer.from(content));
  });

  test("recover moves it to quarantine and brings the newest backup back", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "s", config, pending_files: ["a"] });
    await store.backup(id("s"));
    await writeFile(join(directory, "s.json"), "garbage");
    await expect(store.read(id("s"))).rejects.toMatchObject({ code: "session_corrupt" });
    const recovery = await store.recover(id("s"));
    expect(recovery).toMatchObject({ recovered: true });
    expect(await readFile(recovery.quarantined as string, "utf8")).toBe("garbage");
    expect((await store.read(id("s"))).session.pending_files).toEqual(["a"]);
  });
});

describe("the trash", () => {
  test("outlives a restart, also without its notes", async () => {
    const directory = await tempDir();
    const first = await openStore(directory);
    await first.create({ session_id: "a/b", config });
    await first.remove(id("a/b"), { reason: "requested" });
    await first.close();
    const trash = join(directory, ".sessiond", "trash");
    for (const name of await readdir(trash)) if (name.endsWith(".info")) await rm(join(trash, name));
    const second = await openStore(directory);
    expect(await second.listTrash()).toMatchObject({ entries: [{ session_id: "a/b", reason: "unknown" }] });
    expect((await second.restoreTrash(id("a/b"))).session_id).toBe("a/b");
  });

  test("purging leaves nothing behind", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "s", config });
    await store.remove(id("s"), { reason: "requested", purge: true });
    await expect(store.read(id("s"))).rejects.toMatchObject({ code: "session_not_found" });
    expect(await readdir(join(directory, ".sessiond", "trash"))).toEqual([]);
  });
});

describe("backups", () => {
  test("have the documented name, never overwrite one another, and stay inside", async () => {
    const { directory, store } = await withStore();
    await store.create({ session_id: "s", config });
    const made = await Promise.all([
      store.backup(id("s")),
      store.backup(id("s")),
      store.backup(id("s"), "elsewhere/deep"),
    ]);
    expect(new Set(made.map(({ location }) => location)).size).toBe(3);
    expect(made[0]?.backup).toMatch(/^s_\d{8}_\d{6}(_\d)?\.json$/);
    expect(await store.listBackups(id("s"))).toHaveLength(2);
    await symlink("/", join(directory, "root"));
    for (const path of ["/tmp", "..", "root/tmp", ".sessiond/trash", "."]) {
      await expect(store.backup(id("s"), path)).rejects.toMatchObject({ code: "invalid_request" });
    }
    for (const path of ["../x.json", "/etc/passwd", "missing.json"]) {
      await expect(store.restoreBackup(id("s"), path)).rejects.toMatchObject({ code: "invalid_request" });
    }
  });
});

describe("one process per directory", () => {
  test("the second is told who holds it, and may have it afterwards", async () => {
    const directory = await tempDir();
    const first = await openStore(directory);
    await expect(openStore(directory)).rejects.toMatchObject({
      code: "directory_locked",
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    await openStore(directory);
  });
});

describe("a restart", () => {
  test("finds everything, and sweeps what an interrupted write left", async () => {
    const directory = await tempDir();
    const first = await openStore(directory);
    await first.create({ session_id: "s", config, pending_files: ["a"] });
    const { session } = await first.apply(id("s"), {
      type: "progress",
      delta: { processed: ["a"], results: { a: 1 } },
    });
    await first.close();
    await writeFile(join(directory, ".sessiond", "staging", "7.123456"), "half");
    await utimes(join(directory, "s.json"), new Date(), new Date());
    const second = await openStore(directory);
    // Another program may have written the file, so that it has a revision of its own.
    expect((await second.read(id("s"))).session).toEqual({ ...session, revision: 3 });
    expect(await readdir(join(directory, ".sessiond", "staging"))).toEqual([]);
  });
});
