/** Finds processes and process groups in /proc, and signals them. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface ProcessFacts {
  readonly pid: number;
  readonly isZombie: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** In ticks since boot. Together with the pid it identifies a process, also after the pid is reused. */
  readonly startTime: string;
}

const pollMs = 20;
/** How long a process has to end after SIGTERM before it is killed. */
export const endGraceMs = 2000;
const killedMs = 5000;

/** Undefined if there is no such process. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name is in parentheses and may contain parentheses itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state, parent, group, session] = fields as [string, string, string, string];
    return {
      pid,
      isZombie: state === "Z" || state === "X",
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      startTime: fields[19] as string,
    };
  } catch {
    return undefined;
  }
}

export function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

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
