/** Reads facts about a process from /proc and from the stall probe. */
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The bytes that a process has written to storage, counted in whole pages of 4096 bytes. */
export function writtenBytes(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
}

export function rssBytes(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

export function inotifyWatches(pid: number): number {
  const fds = `/proc/${pid}/fd`;
  let watches = 0;
  for (const fd of readdirSync(fds)) {
    if (!readlinkSync(join(fds, fd)).includes("inotify")) continue;
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    watches += info.split("\n").filter((line) => line.startsWith("inotify ")).length;
  }
  return watches;
}

/** A process that has loaded stall-probe.mjs. */
export interface Probed {
  pid: number;
  stallFile: string;
}

/** The longest stall of the process's event loop since the last call, in milliseconds. */
export async function longestStall({ pid, stallFile }: Probed): Promise<number> {
  rmSync(stallFile, { force: true });
  process.kill(pid, "SIGUSR2");
  for (;;) {
    try {
      const text = readFileSync(stallFile, "utf8");
      if (text !== "") return Number(text);
    } catch {
      // The probe has not written the file yet.
    }
    await sleep(2);
  }
}
