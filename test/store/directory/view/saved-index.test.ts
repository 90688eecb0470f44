/** A start believes what it knew of a file as long as the file is the same, and nothing else. */
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, openStore, putOutside } from "../outside.ts";

const id = parseSessionId("s");

/** Writes other text of the same length into a file, and makes it look as if nothing had been done. */
function changeUnseen(path: string, from: string, to: string): void {
  const { atime, mtime, mtimeNs } = { ...statSync(path), mtimeNs: statSync(path, { bigint: true }).mtimeNs };
  writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
  utimesSync(path, atime, mtime);
  // The clock of the file system is finer than the call that sets it.
  if (statSync(path, { bigint: true }).mtimeNs !== mtimeNs) throw new Error("the time could not be kept");
}

/** A directory with one session whose time has no part that utimes cannot set, and a saved index. */
async function saved(): Promise<string> {
  const directory = await tempDir();
  const first = await openStore(directory);
  await first.create({ session_id: id, config, labels: { a: "1" } });
  await first.close();
  utimesSync(join(directory, "s.json"), 1_700_000_000, 1_700_000_000);
  await (await openStore(directory)).close();
  return directory;
}

test("a file that has not changed is not read", async () => {
  const directory = await saved();
  changeUnseen(join(directory, "s.json"), '"/src"', '"/SRC"');
  const store = await openStore(directory);
  expect(await store.summary(id)).toMatchObject({ target_path: "/src", labels: { a: "1" }, revision: 2 });
  expect((await store.list()).sessions).toEqual([await store.summary(id)]);
});

test.each([
  ["its time", (path: string) => utimesSync(path, 1_700_000_001, 1_700_000_001)],
  [
    "its inode",
    (path: string) => {
      writeFileSync(`${path}.x`, readFileSync(path));
      renameSync(`${path}.x`, path);
    },
  ],
  ["its size", (path: string) => writeFileSync(path, `${readFileSync(path, "utf8")} `)],
])("a file is read when %s is another one", async (_, touch) => {
  const directory = await saved();
  changeUnseen(join(directory, "s.json"), '"/src"', '"/SRC"');
  touch(join(directory, "s.json"));
  const store = await openStore(directory);
  expect((await store.summary(id)).target_path).toBe("/SRC");
});

test("a session that another program wrote goes on from the revision that was given out", async () => {
  const directory = await tempDir();
  const first = await openStore(directory);
  await first.create({ session_id: id, config });
  for (let n = 0; n < 5; n++) await first.apply(id, { type: "edit", pinned: n % 2 === 0 });
  putOutside(directory, "s.json", foreignSession("s", { revision: 2 }));
  const { summary } = await first.read(id);
  expect(summary.revision).toBe(7);
  await first.close();
  const second = await openStore(directory);
  expect((await second.summary(id)).revision).toBe(7);
});

test.each([
  ["is gone", (path: string) => rmSync(path)],
  ["is damaged", (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace("/src", "/xxx"))],
  ["is cut short", (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 40))],
  [
    "is of another version",
    (path: string) => {
      const [, ...rows] = readFileSync(path, "utf8").split("\n");
      const head = '{"version":999}';
      writeFileSync(path, [`${crc32(head).toString(16).padStart(8, "0")} ${head}`, ...rows].join("\n"));
    },
  ],
  ["is nonsense", (path: string) => writeFileSync(path, "\0\n\n{}")],
])("a saved index that %s costs nothing but reading", async (_, spoil) => {
  const directory = await saved();
  spoil(join(directory, ".sessiond", "index"));
  const store = await openStore(directory);
  expect(await store.summary(id)).toMatchObject({ target_path: "/src", labels: { a: "1" } });
  // What is damaged is named; that there is none, or one of another version, is no damage.
  const isDamage = ["is damaged", "is cut short", "is nonsense"].includes(_);
  expect((await store.health()).map(({ code }) => code)).toEqual(isDamage ? ["state_quarantined"] : []);
});

test("files that came, went or carry one id twice meanwhile are judged as ever", async () => {
  const directory = await saved();
  const store = await openStore(directory);
  await store.create({ session_id: "gone", config });
  await store.close();
  rmSync(join(directory, "gone.json"));
  putOutside(directory, "newer.json", foreignSession("s", { checkpoint_time: "2099-01-01T00:00:00Z" }));
  putOutside(directory, "fresh.json", foreignSession("fresh"));
  const next = await openStore(directory);
  expect((await next.stats()).total).toBe(2);
  expect(await next.has(parseSessionId("gone"))).toBe(false);
  expect((await next.summary(id)).target_path).toBe("/elsewhere");
  expect(await next.health()).toMatchObject([{ code: "duplicate_session", session_id: "s" }]);
});
