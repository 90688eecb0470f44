/**
 * The guard process: it outlives the runner, which tells it of each process group that starts and ends. When
 * the runner is gone, even by kill -9, it stops the groups that are left.
 */
import { createInterface } from "node:readline";
import { allPids, type ProcessFacts, processFacts } from "../host/process-facts.ts";
import { ignoreSignals, notices, requests } from "./end-signals.ts";
import { markedProcesses } from "./mark.ts";
import { endAll } from "./processes.ts";

/** The runner's last line when no command is left to stop. */
export const farewell = "bye";

/** Reads lines `+GROUP` and `-GROUP`. Resolves when no process of the run is left. */
export async function guard(input: NodeJS.ReadableStream, mark: string): Promise<void> {
  // Only the end of the runner ends the guard.
  ignoreSignals([...requests, ...notices]);
  const groups = new Map<number, ProcessFacts | undefined>();
  for await (const line of createInterface({ input })) {
    if (line === farewell) return;
    const group = Number(line.slice(1));
    if (line.startsWith("+")) groups.set(group, processFacts(group));
    else groups.delete(group);
  }
  // A command that is just being started carries the mark only a moment later, so look twice.
  for (let quiet = 0; quiet < 2; quiet++) {
    const left = () => leftOvers(groups, mark);
    if (left().length > 0) quiet = 0;
    if (!(await endAll(left))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function leftOvers(groups: ReadonlyMap<number, ProcessFacts | undefined>, mark: string): ProcessFacts[] {
  const found = new Map(markedProcesses(mark).map((facts) => [facts.pid, facts]));
  if (groups.size === 0) return [...found.values()];
  for (const pid of allPids()) {
    const facts = processFacts(pid);
    if (facts === undefined || facts.isZombie || !groups.has(facts.group)) continue;
    const leader = facts.pid === facts.group ? facts : processFacts(facts.group);
    if (isMember(facts, leader, groups.get(facts.group))) found.set(pid, facts);
  }
  return [...found.values()];
}

/**
 * Whether a process belongs to the group of a command. The number of a group can be reused: `leader` is the
 * process that has this number now, `begun` the one that had it when the command started.
 */
export function isMember(
  member: ProcessFacts,
  leader: ProcessFacts | undefined,
  begun: ProcessFacts | undefined,
): boolean {
  // Each command leads its own session, and the kernel does not reuse a number while its group has members.
  if (member.session !== member.group) return false;
  return leader === undefined || leader.startTime === begun?.startTime;
}
