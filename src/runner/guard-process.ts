/**
 * The process that outlives its runner: it is told of each group of processes that begins and ends, and when the runner is
 * gone, however that came about, it ends those that are left.
 */
import { createInterface } from "node:readline";
import { markedProcesses } from "./mark.ts";
import { allPids, endAll, type ProcessFacts, processFacts } from "./processes.ts";

/** The runner's last word when it has seen to everything itself. */
export const farewell = "bye";

/** Reads `+GROUP` and `-GROUP`, a line each. Resolves when nothing is left of the runner. */
export async function guard(input: NodeJS.ReadableStream, mark: string): Promise<void> {
  // Only the end of the runner ends it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const groups = new Map<number, ProcessFacts | undefined>();
  for await (const line of createInterface({ input })) {
    if (line === farewell) return;
    const group = Number(line.slice(1));
    if (line.startsWith("+")) groups.set(group, processFacts(group));
    else groups.delete(group);
  }
  // A command that was just being started may carry its mark a moment later.
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
 * Whether a process is of a command's group, whose number may have gone to another one meanwhile. `leader` is the process
 * that has the number now, `begun` the one that had it when the command began.
 */
export function isMember(
  member: ProcessFacts,
  leader: ProcessFacts | undefined,
  begun: ProcessFacts | undefined,
): boolean {
  // Each command leads a session of its own, and a number is not given away while its group has members.
  if (member.session !== member.group) return false;
  return leader === undefined || leader.startTime === begun?.startTime;
}
