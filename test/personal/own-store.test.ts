/** A store counts as the user's own only if nobody else can write in it. */
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { effectiveUser, whyNotOwn } from "../../src/personal/own-store.ts";
import { tempDir } from "../support/temp-dir.ts";

async function directory(mode: number): Promise<string> {
  const path = join(await tempDir(), ".sessions");
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

test.each([0o700, 0o750, 0o755])("a directory of the user's with the mode %o counts", async (mode) => {
  expect(whyNotOwn(await directory(mode))).toBeUndefined();
});

test.each([
  [0o775, "its group"],
  [0o770, "its group"],
  [0o702, "everybody"],
  [0o1777, "its group and everybody"],
])("one with the mode %o does not, and what would help is said", async (mode, who) => {
  const path = await directory(mode);
  expect(whyNotOwn(path)).toBe(`may be written by ${who}; to use it: chmod go-w ${path}`);
});

test("one of another user does not count", async () => {
  const path = await directory(0o700);
  const user = effectiveUser();
  expect(whyNotOwn(path, user + 1)).toBe(`belongs to the user ${user}, and this is the user ${user + 1}`);
});

test("what is missing, or a file, does not count", async () => {
  const dir = await tempDir();
  writeFileSync(join(dir, "file"), "");
  expect(whyNotOwn(join(dir, "none"))).toBe("does not exist");
  expect(whyNotOwn(join(dir, "file"))).toBe("is not a directory");
});

test("a symbolic link of the user's leads to a directory that is judged as any other", async () => {
  const [own, open] = [await directory(0o700), await directory(0o777)];
  const dir = await tempDir();
  symlinkSync(own, join(dir, "to-own"));
  symlinkSync(open, join(dir, "to-open"));
  symlinkSync(join(dir, "none"), join(dir, "to-nothing"));
  expect(whyNotOwn(join(dir, "to-own"))).toBeUndefined();
  expect(whyNotOwn(join(dir, "to-open"))).toContain("may be written by its group and everybody");
  expect(whyNotOwn(join(dir, "to-nothing"))).toBe("does not exist");
});

test.runIf(effectiveUser() === 0)("a symbolic link of another user does not lead anywhere", async () => {
  const link = join(await tempDir(), "link");
  symlinkSync(await directory(0o700), link);
  lchownSync(link, 1234, 1234);
  expect(whyNotOwn(link)).toBe("is a symbolic link of the user 1234");
});

test.runIf(effectiveUser() === 0)("root does not take a directory of another user for its own", async () => {
  const path = await directory(0o700);
  chownSync(path, 1234, 1234);
  expect(whyNotOwn(path)).toBe("belongs to the user 1234, and this is the user 0");
});

test("the state of a store is no store, nor what has a line break in its path", async () => {
  const store = await directory(0o700);
  mkdirSync(join(store, ".sessiond"));
  expect(whyNotOwn(join(store, ".sessiond"))).toBe(
    `holds the state of a store; the store itself is ${store}`,
  );
  expect(whyNotOwn(join(store, "a\nb"))).toMatch(/^has a control character/);
});
