import { expect } from "vitest";
import type { Program } from "../support/daemon-process.ts";
import type { Plan } from "./kill-rounds.ts";

/** What the journal, the files and other programs have to do with each other, in all kinds of proportion. */
export const plans: readonly Plan[] = [
  // Files are rewritten all the time.
  { maxLag: "20ms", lanes: 4, inFlight: 12, outside: "settled" },
  // Everything is in the journal alone, and files that other programs change do not hold it.
  { maxLag: "10min", lanes: 4, inFlight: 12, outside: "any", broken: true, crashesInReplay: 2 },
  { maxLag: "1s", lanes: 3, inFlight: 30, outside: "never", crashesInReplay: 1 },
  { maxLag: "20ms", lanes: 2, inFlight: 1, outside: "settled", broken: true, crashesInReplay: 3 },
  // Changes of other kinds than reports.
  { maxLag: "1s", lanes: 1, inFlight: 0, restMs: 40, outside: "never" },
];

export function plansFor(rounds: number): Plan[] {
  return Array.from({ length: rounds }, (_, round) => plans[round % plans.length] as Plan);
}

/** kill -9 of the daemon, which the writer sees as the end of its connections. */
export async function kill(daemon: Program, writer?: Program): Promise<void> {
  daemon.kill("SIGKILL");
  await daemon.exited;
  if (writer !== undefined) expect(await writer.exited, writer.stderr()).toEqual({ code: 0, signal: null });
}
