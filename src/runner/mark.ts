/**
 * The mark that every command of a run carries in its environment, and so do the processes that it starts: by it they are
 * found when their runner is gone, whatever they have become the children of.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { allPids, type ProcessFacts, processFacts } from "./processes.ts";

export const markVariable = "SESSIOND_RUN";

/** Names one run. */
export function newMark(): string {
  return randomBytes(8).toString("hex");
}

/** Processes of this user that carry the mark, without this one and those that it was started by. */
export function markedProcesses(mark: string): ProcessFacts[] {
  const own = ancestors();
  const wanted = `${markVariable}=${mark}\0`;
  return allPids()
    .filter((pid) => !own.has(pid) && carries(pid, wanted))
    .map(processFacts)
    .filter((facts) => facts !== undefined && !facts.isZombie) as ProcessFacts[];
}

function carries(pid: number, wanted: string): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, "latin1");
    return text.startsWith(wanted) || text.includes(`\0${wanted}`);
  } catch {
    return false;
  }
}

function ancestors(): Set<number> {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid); pid = processFacts(pid)?.parent ?? 0)
    found.add(pid);
  return found;
}
