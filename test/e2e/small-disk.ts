/** File systems of a fixed size, full or not, and what a client gets there. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

export const config = { target_path: "/src" };
export const kib = 1024;
/** The journal holds everything, and no file is written behind it. */
export const longLag = "storage: { max_lag: 10min }\n";

export async function smallDisk(size = "1m"): Promise<string> {
  const directory = await tempDir();
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", directory]);
  if (status !== 0) throw new Error(stderr.toString());
  onTestFinished(() => void spawnSync("umount", ["--lazy", directory]));
  return directory;
}

/** Leaves not one block free. */
export function fill(file: string): void {
  const fd = openSync(file, "a");
  try {
    for (;;) writeSync(fd, Buffer.alloc(4 * kib, "x"));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  } finally {
    closeSync(fd);
  }
}

export async function expectFull(change: Promise<unknown>): Promise<void> {
  await expect(change).rejects.toMatchObject({ code: "storage_full", outcome: "not_applied" });
}
