/** How a run tells whether a file has changed. */
import { mkdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonValue } from "../../src/json/exact-json.ts";
import { compare, hasSameContent, takeFingerprint } from "../../src/runner/fingerprint.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const minuteMs = 60_000;

/** The fingerprint as a session has it, taken as if the file had been there for a minute. */
async function recorded(path: string, { alwaysHash = false } = {}): Promise<JsonValue> {
  const taken = await takeFingerprint(path, { alwaysHash, nowMs: Date.now() + minuteMs });
  return JSON.parse(JSON.stringify(taken)) as JsonValue;
}

/** The same size and the same modification time, with other content. */
async function disguise(path: string, content: string): Promise<void> {
  const { mtime, ctimeMs } = await stat(path);
  // As soon as the clock of the file system has moved on.
  await eventually(async () => {
    await writeFile(path, content);
    await utimes(path, mtime, mtime);
    expect((await stat(path)).ctimeMs).not.toBe(ctimeMs);
  });
}

test("a file has changed when its content has, whatever its size and times say", async () => {
  const path = join(await tempDir(), "a");
  await writeFile(path, "one");
  await utimes(path, 5, 5);
  const before = await recorded(path);
  expect(before).toMatchObject({ ctime_ms: expect.any(Number), ino: expect.any(Number) });
  expect(await compare(path, before)).toEqual({ kind: "unchanged" });
  await disguise(path, "two");
  expect(await compare(path, before)).toEqual({ kind: "changed", what: "content" });
  await disguise(path, "one");
  expect(await compare(path, before)).toEqual({ kind: "unchanged" });
  await writeFile(path, "three");
  expect(await compare(path, before)).toEqual({ kind: "changed", what: "size" });
});

test("a file is unchanged if it is like one of its two fingerprints", async () => {
  const path = join(await tempDir(), "a");
  await writeFile(path, "one");
  const before = await recorded(path);
  await writeFile(path, "two");
  const after = await recorded(path);
  expect(await compare(path, before, after)).toEqual({ kind: "unchanged" });
  await writeFile(path, "one");
  expect(await compare(path, before, after)).toEqual({ kind: "unchanged" });
  await writeFile(path, "six");
  expect(await compare(path, before, after)).toEqual({ kind: "changed", what: "content" });
  await writeFile(path, "three");
  expect(await compare(path, before, after)).toEqual({ kind: "changed", what: "size" });
  // A file that the command made has only one.
  await writeFile(path, "two");
  expect(await compare(path, undefined, after)).toEqual({ kind: "unchanged" });
});

test("an earlier fingerprint holds as long as the times show it", async () => {
  const path = join(await tempDir(), "a");
  await writeFile(path, "one");
  const options = { alwaysHash: false, nowMs: Date.now() + minuteMs };
  const earlier = await takeFingerprint(path, options);
  expect(await takeFingerprint(path, { ...options, earlier })).toBe(earlier);
  await disguise(path, "two");
  const later = await takeFingerprint(path, { ...options, earlier });
  expect(hasSameContent(earlier, later)).toBe(false);
  await disguise(path, "one");
  const touched = await takeFingerprint(path, { ...options, earlier });
  expect(touched).not.toBe(earlier);
  expect(hasSameContent(earlier, touched)).toBe(true);
  // Times that may lie are no reason to skip the content.
  const young = await takeFingerprint(path, { alwaysHash: false, nowMs: (await stat(path)).ctimeMs });
  expect(await takeFingerprint(path, { ...options, earlier: young })).not.toBe(young);
});

test("another file in its place has changed, even with all its times", async () => {
  const dir = await tempDir();
  const [path, other] = [join(dir, "a"), join(dir, "b")];
  await writeFile(path, "one");
  await writeFile(other, "two");
  const before = (await recorded(path)) as object;
  await rename(other, path);
  const { size, mtimeMs, ctimeMs } = await stat(path);
  const same = { ...before, size, mtime_ms: mtimeMs, ctime_ms: ctimeMs } as JsonValue;
  expect(await compare(path, same)).toEqual({ kind: "changed", what: "content" });
});

test("a file that was written a moment before is compared by its content", async () => {
  const path = join(await tempDir(), "a");
  await writeFile(path, "one");
  const { ctimeMs } = await stat(path);
  const print = (await takeFingerprint(path, { alwaysHash: false, nowMs: ctimeMs + 5 })) as object;
  // The next change may get the same times: the clock of a file system moves in steps.
  expect(print).toEqual({ size: 3, mtime_ms: expect.any(Number), sha256: expect.any(String) });
  await writeFile(path, "two");
  const { mtimeMs } = await stat(path);
  expect(await compare(path, { ...print, mtime_ms: mtimeMs } as JsonValue)).toMatchObject({
    what: "content",
  });
  // Whole seconds are the times of a file system that knows no shorter ones.
  await utimes(path, 5, 5);
  const whole = await takeFingerprint(path, { alwaysHash: false, nowMs: Math.floor(ctimeMs) + minuteMs });
  expect(whole).toHaveProperty("ctime_ms");
});

test("what cannot be compared is told apart", async () => {
  const dir = await tempDir();
  const path = join(dir, "a");
  await writeFile(path, "one");
  const before = await recorded(path);
  expect(await compare(path, undefined)).toEqual({ kind: "unknown" });
  expect(await compare(path, { size: 3, mtime_ms: (await stat(path)).mtimeMs })).toEqual({ kind: "unknown" });
  expect(await compare(join(dir, "a", "b"), undefined)).toEqual({ kind: "no_file" });
  expect(await compare("a\0b", undefined)).toEqual({ kind: "no_file" });
  expect(await compare("/dev/null", undefined)).toEqual({ kind: "no_file" });
  expect(await compare(dir, undefined)).toEqual({ kind: "directory" });
  await rm(path);
  expect(await compare(path, before)).toEqual({ kind: "gone" });
  await mkdir(path);
  expect(await compare(path, before)).toEqual({ kind: "changed", what: "it is no regular file any more" });
  for (const none of [dir, "a\0b"]) expect(await takeFingerprint(none, { alwaysHash: true })).toBeUndefined();
});

test("the content of a large file is hashed only on request", async () => {
  const path = join(await tempDir(), "large");
  await writeFile(path, Buffer.alloc(17 * 1024 * 1024));
  const print = (await recorded(path)) as object;
  expect(print).not.toHaveProperty("sha256");
  expect(await compare(path, print as JsonValue)).toEqual({ kind: "unchanged" });
  const whole = (await recorded(path, { alwaysHash: true })) as object;
  expect(whole).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  await utimes(path, 1, 1);
  expect(await compare(path, print as JsonValue)).toEqual({ kind: "changed", what: "modification time" });
  expect(await compare(path, { ...print, mtime_ms: 1000 } as JsonValue)).toEqual({ kind: "unknown" });
  expect(await compare(path, whole as JsonValue)).toEqual({ kind: "unchanged" });
});
