/**
 * The mark of a run: an environment variable that every command inherits, and every process that a command
 * starts. It identifies them when the runner is gone and they have another parent.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { allPids, type ProcessFacts, processFacts } from "../host/process-facts.ts";

export const markVariable = "SESSIOND_RUN";

/** A new mark, unique to one run. */
export function newMark(): string {
  return randomBytes(8).toString("hex");
}

/**
 * Processes that carry the mark, except this one and its ancestors. Those of other users cannot be examined.
 */
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
