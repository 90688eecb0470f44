/** Signals processes and process groups, and ends them. */
import { setTimeout as sleep } from "node:timers/promises";
import { allPids, type ProcessFacts, processFacts } from "../host/process-facts.ts";

const pollMs = 20;
/** How long a process has to end after SIGTERM before it is killed. */
export const endGraceMs = 2000;
const killedMs = 5000;

/** Signals a process group. Returns whether the group exists. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  return signalled(-group, signal);
}

function signalled(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    // EPERM: it exists, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether the group has a process that is not a zombie. */
export function isGroupAlive(group: number): boolean {
  if (!signalGroup(group, 0)) return false;
  return allPids().some((pid) => {
    const facts = processFacts(pid);
    return facts !== undefined && facts.group === group && !facts.isZombie;
  });
}

/**
 * Stops the processes that `find` returns, first with SIGTERM, until it returns none. Resolves with whether
 * it did.
 */
export async function endAll(find: () => ProcessFacts[]): Promise<boolean> {
  const began = performance.now();
  const asked = new Set<number>();
  for (;;) {
    const found = find();
    if (found.length === 0) return true;
    const elapsedMs = performance.now() - began;
    if (elapsedMs > endGraceMs + killedMs) return false;
    for (const { pid } of found) {
      if (elapsedMs > endGraceMs) signalled(pid, "SIGKILL");
      else if (!asked.has(pid)) {
        asked.add(pid);
        signalled(pid, "SIGTERM");
        // A stopped process handles the signal only after it is continued.
        signalled(pid, "SIGCONT");
      }
    }
    await sleep(pollMs);
  }
}
