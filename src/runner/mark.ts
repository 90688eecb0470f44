/**
 * The mark of a run: an environment variable that every command inherits, and every process that a command
 * starts. It identifies them when the runner is gone and they have another parent.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { allPids, type ProcessFacts, processFacts } from "../host/process-facts.ts";
import { hasEnded, ownIdentity } from "../host/process-identity.ts";

export const markVariable = "SESSIOND_RUN";

/** A new mark, unique to one run. */
export function newMark(): string {
  return randomBytes(8).toString("hex");
}

/** The mark for the commands of this process, of several runs that share a session and its mark. */
export function ownMark(mark: string): string {
  return `${mark}${separator}${ownIdentity() ?? randomBytes(8).toString("hex")}`;
}

const separator = " ";

/**
 * Processes that carry the mark, except this one and its ancestors. Those of other users cannot be examined.
 */
export function markedProcesses(mark: string): ProcessFacts[] {
  return processesWith((value) => value === mark);
}

/**
 * Processes that carry the mark, whichever of several runs they belong to; with `ofEnded` only those whose
 * run has ended.
 */
export function leftProcesses(mark: string, { ofEnded }: { ofEnded: boolean }): ProcessFacts[] {
  return processesWith((value) => {
    const [of, owner] = value.split(separator);
    return of === mark && (!ofEnded || (owner !== undefined && hasEnded(owner)));
  });
}

function processesWith(isWanted: (mark: string) => boolean): ProcessFacts[] {
  const own = ancestors();
  return allPids()
    .filter((pid) => !own.has(pid) && isWanted(markOf(pid)))
    .map(processFacts)
    .filter((facts) => facts !== undefined && !facts.isZombie) as ProcessFacts[];
}

const variable = `\0${markVariable}=`;

/** Empty without a mark, or if the process cannot be examined. */
function markOf(pid: number): string {
  try {
    const text = `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`;
    const at = text.indexOf(variable);
    if (at === -1) return "";
    const from = at + variable.length;
    const end = text.indexOf("\0", from);
    return text.slice(from, end === -1 ? undefined : end);
  } catch {
    return "";
  }
}

function ancestors(): Set<number> {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid); pid = processFacts(pid)?.parent ?? 0)
    found.add(pid);
  return found;
}
