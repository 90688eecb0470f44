/** Bytes that are kept in memory or in a file, and read again. */
import { readdirSync, readlinkSync } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { Spool } from "../../src/files/spool.ts";
import { tempDir } from "../support/temp-dir.ts";

const all = (spool: Spool) => buffer(Readable.from(spool.read()));
const openFiles = (directory: string) =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;

test.each([1, 100_000, 10_000_000])(
  "what is written is read again, with %i bytes in memory",
  async (memory) => {
    const directory = await tempDir();
    const spool = new Spool({ memory, directory });
    expect((await all(spool)).length).toBe(0);
    const pieces = Array.from({ length: 50 }, (_, at) => Buffer.alloc(at * 3001, at));
    for (const piece of pieces) await spool.write(piece);
    const whole = Buffer.concat(pieces);
    for (let time = 0; time < 2; time++) expect((await all(spool)).equals(whole)).toBe(true);
    // The file has no name, so nothing is left of it.
    expect(readdirSync(directory)).toEqual([]);
    expect(openFiles(directory)).toBe(memory < whole.length ? 1 : 0);
    await spool.close();
    expect(openFiles(directory)).toBe(0);
  },
);

test("a directory that takes no file is an error only when the file is needed", async () => {
  const spool = new Spool({ memory: 10, directory: "/nowhere/at/all" });
  await spool.write(Buffer.from("123"));
  expect(String(await all(spool))).toBe("123");
  await expect(spool.write(Buffer.from("45678901"))).rejects.toThrow("ENOENT");
  await spool.close();
});
