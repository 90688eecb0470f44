/** A disk of its own, in a file, whose power can be cut: what was not on it by then is gone. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import type { Program } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const imageBytes = 400 * 1024 * 1024;

const fileSystems = {
  // As little as possible is written before somebody syncs it.
  ext4: { format: ["mkfs.ext4", "-q", "-F"], mount: "loop,noauto_da_alloc,commit=300" },
  xfs: { format: ["mkfs.xfs", "-q"], mount: "loop" },
} as const;

export type FileSystem = keyof typeof fileSystems;

/**
 * Why no power can be cut on this machine; undefined if it can.
 *
 * @throws in continuous integration if it cannot
 */
export function obstacle(type: FileSystem): string | undefined {
  const why = missing(type);
  if (why !== undefined && process.env.CI_RUN === "1") throw new Error(`power cuts on ${type}: ${why}`);
  return why;
}

function missing(type: FileSystem): string | undefined {
  if (process.geteuid?.() !== 0) return "needs root";
  for (const tool of [fileSystems[type].format[0], "xfs_io", "losetup"]) {
    if (spawnSync("which", [tool]).status !== 0) return `needs ${tool}, of e2fsprogs, xfsprogs or mount`;
  }
  if (spawnSync("losetup", ["--find"]).status !== 0) return "needs loop devices";
  return undefined;
}

export interface CutDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** Freezes the programs, cuts the power, ends them, and mounts the disk again as it is then. */
  cut(programs: readonly Program[]): Promise<void>;
}

export async function cutDisk(type: FileSystem): Promise<CutDisk> {
  const base = await tempDir();
  const [image, path] = [join(base, "image"), join(base, "disk")];
  const { format, mount } = fileSystems[type];
  writeFileSync(image, "");
  truncateSync(image, imageBytes);
  run(...format, image);
  mkdirSync(path);
  const attach = () => run("mount", "-t", type, "-o", mount, image, path);
  attach();
  onTestFinished(() => void spawnSync("umount", ["--lazy", path]));
  return {
    path,
    async cut(programs) {
      // Else they would see errors of the disk, which no power cut gives them the time for.
      for (const program of programs) program.kill("SIGSTOP");
      await eventually(() => expect(programs.every(isFrozen)).toBe(true));
      // Without -f nothing of the log is written first.
      run("xfs_io", "-x", "-c", "shutdown", path);
      for (const program of programs) program.kill("SIGKILL");
      for (const { exited, stderr } of programs)
        expect(await exited, stderr()).toEqual({ code: null, signal: "SIGKILL" });
      run("umount", path);
      // A file system that is still mounted somewhere would come back as it was, not as the disk has it.
      await eventually(() => expect(run("losetup", "--associated", image)).toBe(""));
      attach();
    },
  };
}

/**
 * Nothing is acknowledged any more; a thread that writes to the disk may go on with that. One that has ended
 * is not our matter.
 */
function isFrozen({ pid }: Program): boolean {
  return !existsSync(`/proc/${pid}`) || /^State:\s+[TZ]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

function run(...command: string[]): string {
  const [program, ...args] = command as [string, ...string[]];
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${error?.message ?? stderr}`);
  return stdout;
}
