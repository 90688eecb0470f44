/** A journal that is damaged in every way and everywhere, and what a start must make of it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, killed, openLagging, quarantined } from "../outside.ts";

export const ids = ["a", "b", "c"].map(parseSessionId);

/** Three sessions, reported on by themselves and together, as a kill leaves them. */
export async function journalOf(rounds: number, resultBytes = 0) {
  const directory = await tempDir();
  const store = await openLagging(directory);
  const files = Array.from({ length: rounds }, (_, n) => `f${n}`);
  for (const id of ids) await store.create({ session_id: id, config, pending_files: files });
  for (const [n, file] of files.entries()) {
    const report = (at: number) =>
      store.report(ids[at] as (typeof ids)[0], {
        processed: [file],
        results: { [file]: "x".repeat(resultBytes) },
      });
    if (n % 2 === 0) await Promise.all([report(0), report(1), report(2)]);
    else await report(n % 3);
  }
  const copy = await killed(directory);
  const journal = join(copy, ".sessiond", "journal");
  const [segment = ""] = readdirSync(journal).filter((name) => name.endsWith(".log"));
  const all = readFileSync(join(journal, segment));
  const filled = all.findLastIndex((byte) => byte !== 0) + 1;
  // Some of the room at its end is enough.
  const bytes = all.subarray(0, filled + 500);
  writeFileSync(join(journal, segment), bytes);
  return {
    copy,
    path: join(journal, segment),
    segment,
    bytes,
    filled,
    files,
    expected: await processed(store),
  };
}

export async function processed(store: DirectoryStore): Promise<string[]> {
  const found: string[] = [];
  for (const id of ids)
    for (const file of (await store.read(id)).session.processed_files) found.push(`${id}:${file}`);
  return found;
}

const block = 64;
export const damages: Record<string, (bytes: Buffer, at: number) => Buffer> = {
  "a flipped bit": (bytes, at) => {
    bytes[at] = (bytes[at] as number) ^ 0x10;
    return bytes;
  },
  "a byte of zero": (bytes, at) => bytes.fill(0, at, at + 1),
  "a block of zeros": (bytes, at) => bytes.fill(0, at, at + block),
  "a cut": (bytes, at) => bytes.subarray(0, at),
  "a block that is there twice": (bytes, at) =>
    Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - block))]),
  "two blocks that changed places": (bytes, at) =>
    Buffer.concat([
      bytes.subarray(0, at),
      bytes.subarray(at + block, at + 2 * block),
      bytes.subarray(at, at + block),
      bytes.subarray(at + 2 * block),
    ]),
  "a block that is gone": (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + block)]),
};

/** Damages a journal at every so manieth byte, and starts a store on each. */
export async function damageEach(damage: (typeof damages)[string], stride: number): Promise<void> {
  const { copy, path, bytes, filled, expected } = await journalOf(6);
  const base = await tempDir();
  for (let at = 0; at < filled; at += stride) {
    const directory = join(base, `${at}`);
    await cp(copy, directory, { recursive: true });
    const damaged = damage(Buffer.from(bytes), at);
    writeFileSync(path.replace(copy, directory), damaged);
    const store = await openLagging(directory);
    const found = await processed(store);
    expect(expected).toEqual(expect.arrayContaining(found));
    const told = (await store.health()).filter(({ code }) => code.startsWith("journal_"));
    expect([at, found.length === expected.length || told.length > 0]).toEqual([at, true]);
    if (told.some(({ message }) => message.includes("cannot be read"))) {
      const kept = await quarantined(directory);
      const copies = kept.map((name) => readFileSync(join(directory, ".sessiond", "quarantine", name)));
      expect([at, copies.some((copied) => copied.equals(damaged))]).toEqual([at, true]);
    }
    await store.close();
    rmSync(directory, { recursive: true });
  }
}
