/** The workers of a session in words. Pure. */
import type { AttachedWorker } from "../contract/replies.ts";
import { microsPerMs, parseTimestamp } from "../time/clock.ts";
import { roughDuration } from "../time/duration.ts";
import { counted } from "./count.ts";
import { safe } from "./terminal-text.ts";

/**
 * A worker among the others: by its name, with its epoch if the name alone does not do, because others have
 * it or nobody can type it. By its epoch if it has no name. `sessionctl evict` takes either.
 */
export function workerWord({ name, epoch }: AttachedWorker, workers: readonly AttachedWorker[]): string {
  if (name === null) return String(epoch);
  const isTaken = workers.some(
    (other) => other.epoch !== epoch && (other.name === name || String(other.epoch) === name),
  );
  const isTypeable = safe(name) === name && name.trim() === name;
  return isTypeable && !isTaken ? name : `${safe(name)} (${epoch})`;
}

/** How long the worker has had its lease: `3 min`. */
export function leaseAge({ since }: AttachedWorker, nowMs: number): string {
  const at = parseTimestamp(since);
  return roughDuration(Math.max(1000, at === undefined ? 0 : nowMs - at / microsPerMs));
}

/**
 * The workers of a session as facts of `sessionctl show`: one line, and for a shared session one for each.
 */
export function workerFacts(
  workers: readonly AttachedWorker[],
  isPaused: boolean,
  nowMs: number,
): { line: [name: string, text: string] | undefined; each: string[] } {
  const [first] = workers;
  if (first === undefined) return { line: undefined, each: [] };
  const waits = isPaused ? ", held until the session is resumed" : "";
  if (!first.shared) {
    const name = first.name === null ? "" : `${safe(first.name)}: `;
    const state = first.connected
      ? `attached for ${leaseAge(first, nowMs)}${waits}`
      : "disconnected, may reconnect";
    return { line: ["Worker", name + state], each: [] };
  }
  const claimed = workers.reduce((sum, worker) => sum + worker.claimed, 0);
  const total = `${counted(workers.length, "worker")} sharing it, ${counted(claimed, "file")} claimed${waits}`;
  return { line: ["Workers", total], each: workers.map((worker) => eachLine(worker, workers, nowMs)) };
}

function eachLine(worker: AttachedWorker, workers: readonly AttachedWorker[], nowMs: number): string {
  const where = worker.host === null ? "" : ` on ${safe(worker.host)}`;
  const state = worker.connected ? "attached" : "disconnected, may reconnect; attached";
  const holds = `holds ${counted(worker.claimed, "file")}`;
  return `  ${workerWord(worker, workers)}${where}: ${holds}, ${state} for ${leaseAge(worker, nowMs)}`;
}
