/** What /proc tells of each process of this machine (proc(5)). */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessFacts {
  readonly pid: number;
  readonly isZombie: boolean;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** In ticks since boot. Together with the pid it identifies a process, also after the pid is reused. */
  readonly startTime: string;
}

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

/** The words of its command line; empty for a zombie. Undefined if there is no such process. */
export function commandWords(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return undefined;
  }
}

export function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}
