/** The log of a daemon on demand never grows without end, and nothing leads it out of the store. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../src/daemon/log-file.ts";
import { tempDir } from "../support/temp-dir.ts";

async function begun() {
  const store = await tempDir();
  mkdirSync(join(store, ".sessiond"));
  const log = new LogFile();
  log.begin(store);
  return { store, log, path: join(store, ".sessiond", "sessiond.log") };
}

const line = Buffer.from(`${"x".repeat(99_999)}\n`);

test("it has at most two files of a mebibyte each, with the latest lines in them", async () => {
  const { log, path } = await begun();
  for (let at = 0; at < 35; at++) expect(log.write(line)).toBe(line.length);
  log.write(Buffer.from("the last\n"));
  const files = [path, `${path}.1`];
  for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(1024 * 1024);
  expect(statSync(`${path}.1`).size).toBe(10 * line.length);
  expect(readFileSync(path, "utf8").endsWith("x\nthe last\n")).toBe(true);
});

test("a later daemon goes on where the earlier one stopped, and counts what is there", async () => {
  const { store, log, path } = await begun();
  for (let at = 0; at < 9; at++) log.write(line);
  const next = new LogFile();
  next.begin(store);
  next.write(line);
  next.write(line);
  expect([statSync(path).size, statSync(`${path}.1`).size]).toEqual([line.length, 10 * line.length]);
});

test("a log that somebody removed begins anew at the latest when it is full", async () => {
  const { log, path } = await begun();
  log.write(line);
  rmSync(path);
  for (let at = 0; at < 11; at++) log.write(line);
  expect(statSync(path).size).toBeGreaterThan(0);
});

test("a link or a directory in its place is not written, and the reason reaches the caller", async () => {
  const { store, log, path } = await begun();
  symlinkSync(join(store, "elsewhere"), path);
  expect(() => log.write(line)).toThrow("ELOOP");
  rmSync(path);
  mkdirSync(path);
  expect(() => log.write(line)).toThrow("EISDIR");
  expect(readdirSync(store)).toEqual([".sessiond"]);
});

test("before the store is its own, it writes nothing there", () => {
  expect(() => new LogFile().write(line)).toThrow("has not begun");
});
