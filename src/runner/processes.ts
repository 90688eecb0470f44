/** Processes and their groups, as /proc tells of them. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface ProcessFacts {
  readonly pid: number;
  readonly isZombie: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** In ticks since the machine's start: with the pid, it names one process and no later one. */
  readonly startTime: string;
}

const pollMs = 20;
/** What a process that was told to end has to do so. */
export const endGraceMs = 2000;
const killedMs = 5000;

/** Undefined for a process that is gone. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name is in parentheses, and may hold some itself.
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

/** Whether there was a group to signal. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  return signalled(-group, signal);
}

function signalled(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    // One that runs as somebody else is there, and cannot be ended by us.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether a process of the group lives. Those that only wait to be collected do not. */
export function isGroupAlive(group: number): boolean {
  if (!signalGroup(group, 0)) return false;
  return allPids().some((pid) => {
    const facts = processFacts(pid);
    return facts !== undefined && facts.group === group && !facts.isZombie;
  });
}

/** Ends what `find` finds, asking first, until it finds nothing more. Resolves with whether all are gone. */
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
        // A stopped process would not hear of it.
        signalled(pid, "SIGCONT");
      }
    }
    await sleep(pollMs);
  }
}
