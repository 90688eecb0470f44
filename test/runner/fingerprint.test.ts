/** How a run tells whether a file has changed. */
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonValue } from "../../src/json/exact-json.ts";
import { changeOf, takeFingerprint } from "../../src/runner/fingerprint.ts";
import { tempDir } from "../support/temp-dir.ts";

test("a file has changed when its content has, whatever its times say", async () => {
  const path = join(await tempDir(), "a");
  await writeFile(path, "one");
  const taken = (await takeFingerprint(path, { alwaysHash: false })) as unknown as JsonValue;
  const recorded = JSON.parse(JSON.stringify(taken)) as JsonValue;
  expect(await changeOf(path, recorded)).toBeUndefined();
  await utimes(path, 1, 1);
  expect(await changeOf(path, recorded)).toBeUndefined();
  await writeFile(path, "two");
  expect(await changeOf(path, recorded)).toBe("content");
  await writeFile(path, "three");
  expect(await changeOf(path, recorded)).toBe("size");
  expect(await changeOf(path, undefined)).toBe("no earlier fingerprint");
});

test("a path that is no file has no fingerprint, and does not change", async () => {
  const dir = await tempDir();
  expect(await takeFingerprint(dir, { alwaysHash: true })).toBeUndefined();
  expect(await takeFingerprint("a\0b", { alwaysHash: true })).toBeUndefined();
  expect(await changeOf(join(dir, "gone"), { size: 1 })).toBeUndefined();
});

test("the content of a large file is hashed only on request", async () => {
  const path = join(await tempDir(), "large");
  await writeFile(path, Buffer.alloc(17 * 1024 * 1024));
  expect(await takeFingerprint(path, { alwaysHash: false })).not.toHaveProperty("sha256");
  const whole = await takeFingerprint(path, { alwaysHash: true });
  expect(whole?.sha256).toMatch(/^[0-9a-f]{64}$/);
  await utimes(path, 1, 1);
  expect(await changeOf(path, { size: 17 * 1024 * 1024, mtime_ms: 5 })).toBe("modification time");
  expect(await changeOf(path, { ...whole, mtime_ms: 5 } as JsonValue)).toBeUndefined();
});
