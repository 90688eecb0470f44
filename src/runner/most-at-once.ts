/** How many commands this process can run at once, for `-j 0`: the limits of the system decide. */
import { readText, softLimit } from "../host/process-limits.ts";

/** More commands at once only wait for each other, and for the daemon. */
export const mostAtOnce = 250;
/** A command needs a descriptor for each stream of its output; starting it needs more for a moment. */
const filesOfCommand = 4;
/** Descriptors of the process itself. */
const ownFiles = 64;

/** At least 1. */
export function asManyAsPossible(read: (path: string) => string = readText): number {
  const files = (softLimit("Max open files", read) - ownFiles) / filesOfCommand;
  // A command may start more processes, and the user has others.
  const processes = softLimit("Max processes", read) / 2;
  const group = (numberIn(read("/sys/fs/cgroup/pids.max")) - used(read("/sys/fs/cgroup/pids.current"))) / 2;
  return Math.max(1, Math.floor(Math.min(mostAtOnce, files, processes, group)));
}

/** What is no number, such as `max` or nothing, is no limit. */
function numberIn(text: string): number {
  return /^\d+\s*$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function used(text: string): number {
  return /^\d+\s*$/.test(text) ? Number(text) : 0;
}
