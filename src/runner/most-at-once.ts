/** How many commands this process can run at once, for `-j 0`: the limits of the system decide. */
import { readFileSync } from "node:fs";

/** More commands at once only wait for each other, and for the daemon. */
export const mostAtOnce = 250;
/** A command needs a descriptor for each stream of its output; starting it needs more for a moment. */
const filesOfCommand = 4;
/** Descriptors of the process itself. */
const ownFiles = 64;

/** At least 1. */
export function asManyAsPossible(read: (path: string) => string = readText): number {
  const limits = read("/proc/self/limits");
  const files = (limitIn(limits, "Max open files") - ownFiles) / filesOfCommand;
  // A command may start more processes, and the user has others.
  const processes = limitIn(limits, "Max processes") / 2;
  const group = (numberIn(read("/sys/fs/cgroup/pids.max")) - used(read("/sys/fs/cgroup/pids.current"))) / 2;
  return Math.max(1, Math.floor(Math.min(mostAtOnce, files, processes, group)));
}

function limitIn(limits: string, name: string): number {
  return numberIn(new RegExp(`^${name} +(\\S+)`, "m").exec(limits)?.[1]);
}

/** What is no number, such as `unlimited`, `max` or nothing, is no limit. */
function numberIn(text: string | undefined): number {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function used(text: string): number {
  return /^\d+\s*$/.test(text) ? Number(text) : 0;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
