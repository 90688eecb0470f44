/** A directory says which format it has; one of a newer format is left alone. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SessionManager } from "../../../../src/client/manager/session-manager.ts";
import { format } from "../../../../src/store/directory/disk/format-record.ts";
import { tempDir } from "../../../support/temp-dir.ts";

async function open(directory: string): Promise<number> {
  await using manager = new SessionManager({ sessionsDir: directory });
  return (await manager.listSessions()).length;
}

function tree(directory: string): unknown[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => [
      entry.parentPath,
      entry.name,
      entry.isFile() && readFileSync(join(entry.parentPath, entry.name), "utf8"),
    ])
    .sort();
}

test("a directory says which format it has, from the first start on", async () => {
  const directory = await tempDir();
  await open(directory);
  const record = join(directory, ".sessiond", "format.json");
  expect(JSON.parse(readFileSync(record, "utf8"))).toEqual({
    format,
    written_by: expect.stringMatching(/^sessiond \d/),
  });
  expect(await open(directory)).toBe(0);
});

test("one from before there was a record keeps everything, and gets one", async () => {
  const directory = await tempDir();
  mkdirSync(join(directory, ".sessiond"));
  const session = { session_id: "old", status: "paused", config: { target_path: "/" }, processed_files: [] };
  const rest = { pending_files: [], partial_results: {}, checkpoint_time: "2026-01-01T00:00:00Z" };
  writeFileSync(join(directory, "old.json"), JSON.stringify({ ...session, ...rest }));
  expect(await open(directory)).toBe(1);
  expect(readdirSync(join(directory, ".sessiond"))).toContain("format.json");
});

test.each([
  [
    "of a newer format",
    `{"format": ${format + 1}, "written_by": "sessiond 9"}`,
    "directory_too_new",
    /by sessiond 9 in format/,
  ],
  ["whose record cannot be read", "{", "storage_failed", /does not say which format/],
  ["whose record says nothing", "{}", "storage_failed", /does not say which format/],
])("a directory %s is refused, and nothing in it touched", async (_, text, code, message) => {
  const directory = await tempDir();
  mkdirSync(join(directory, ".sessiond", "staging"), { recursive: true });
  writeFileSync(join(directory, ".sessiond", "staging", "1"), "of a kind that we do not know");
  writeFileSync(join(directory, ".sessiond", "format.json"), text);
  const before = tree(directory);
  await expect(open(directory)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(tree(directory)).toEqual(before);
});
