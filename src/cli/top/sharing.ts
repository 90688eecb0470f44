/** The lines of the workers that share a session: who holds how many files, and for how long. Pure. */
import type { AttachedWorker, ListedSession } from "../../contract/replies.ts";
import { counted } from "../count.ts";
import { padEnd, padStart } from "../terminal-text.ts";
import { leaseAge, workerWord } from "../workers.ts";
import type { Sight } from "./columns.ts";

/** More workers of one session are only counted. */
const mostWorkers = 8;
const nameWidth = 24;
const filesWidth = 12;
const ageWidth = 7;

export function sharingOf({ workers }: ListedSession): readonly AttachedWorker[] {
  return workers.filter(({ shared }) => shared);
}

/** How many lines a session takes: its own, and those of its workers. */
export function linesOf(session: ListedSession): number {
  const { length } = sharingOf(session);
  return 1 + Math.min(length, mostWorkers) + (length > mostWorkers ? 1 : 0);
}

/** The workers that have been there longest first, an order that does not change between polls. */
export function sharingLines(
  workers: readonly AttachedWorker[],
  width: number,
  { look, nowMs }: Sight,
): string[] {
  const order = (a: AttachedWorker, b: AttachedWorker) =>
    a.since === b.since ? a.epoch - b.epoch : a.since < b.since ? -1 : 1;
  const shown = [...workers].sort(order).slice(0, mostWorkers);
  const lines = shown.map((worker) => {
    const name = padEnd(look.fit(workerWord(worker, workers), nameWidth), nameWidth);
    const files = padStart(counted(worker.claimed, "file"), filesWidth);
    const age = padStart(leaseAge(worker, nowMs), ageWidth);
    return `    ${name}  ${files}  ${age}${worker.connected ? "" : "  lost"}`;
  });
  const rest = workers.length - shown.length;
  if (rest > 0) lines.push(`    and ${rest} more`);
  return lines.map((text) => look.paint("dim", look.clip(text, width)));
}
