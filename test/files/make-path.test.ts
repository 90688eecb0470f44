import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makePath } from "../../src/files/make-path.ts";
import { tempDir } from "../support/temp-dir.ts";

test("makes what is missing, and returns the first directory that it made", async () => {
  const directory = await tempDir();
  expect(makePath(join(directory, "a/b/c"), { mode: 0o750 })).toBe(join(directory, "a"));
  for (const made of ["a", "a/b", "a/b/c"]) expect(statSync(join(directory, made)).mode & 0o777).toBe(0o750);
  expect(makePath(join(directory, "a/b/c"))).toBeUndefined();
  expect(makePath(join(directory, "a/b/d/"))).toBe(join(directory, "a/b/d"));
});

test("follows a link to a directory, and makes nothing behind a link to nothing", async () => {
  const directory = await tempDir();
  mkdirSync(join(directory, "real"));
  symlinkSync("real", join(directory, "link"));
  symlinkSync("nowhere", join(directory, "dangling"));
  expect(makePath(join(directory, "link/below"))).toBe(join(directory, "link/below"));
  expect(() => makePath(join(directory, "dangling"))).toThrow("EEXIST");
  expect(() => makePath(join(directory, "dangling/below"))).toThrow("EEXIST");
});

test("a file on the way is in the way", async () => {
  const directory = await tempDir();
  writeFileSync(join(directory, "file"), "");
  expect(() => makePath(join(directory, "file"))).toThrow("EEXIST");
  expect(() => makePath(join(directory, "file/below"))).toThrow("ENOTDIR");
});

test.runIf(process.platform === "linux")(
  "ends where the system says that the directory above is missing",
  () => {
    // mkdir of Node.js with `recursive` never returns from this.
    expect(() => makePath("/proc/below")).toThrow("ENOENT");
    expect(() => makePath("/proc/far/below")).toThrow("ENOENT");
  },
);
