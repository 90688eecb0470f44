/** Prints the figures that the demo has measured. */
import type { CleanupFigures } from "./cleanup.ts";
import type { CrashFigures } from "./crash.ts";
import { count, heading, table, time } from "./talk.ts";
import type { Worker } from "./worker.ts";

export interface Figures {
  worker: Worker;
  startMs: number;
  pause: { noticedMs: number };
  crash: CrashFigures;
  outside: { visibleMs: readonly number[] };
  cleanup: CleanupFigures;
  totalMs: number;
}

export function printAccount(figures: Figures): void {
  const { worker, startMs, pause, crash, outside, cleanup, totalMs } = figures;
  const { latenciesMs, workingMs, acknowledged } = worker;
  const bytes = [...acknowledged.values()].reduce((sum, result) => sum + result.bytes, 0);
  const { completed, expired, failed } = cleanup.removed;
  heading("Measured");
  table([
    ["files read and measured", `${count(acknowledged.size)}, ${(bytes / 1e6).toFixed(1)} MB`],
    ["acknowledged reports", count(latenciesMs.length)],
    ["reports per second while working", count(Math.round(latenciesMs.length / (workingMs / 1000)))],
    ["time to acknowledgement, p50", time(percentile(latenciesMs, 50))],
    ["time to acknowledgement, p99", time(percentile(latenciesMs, 99))],
    ["first start to first answer", time(startMs)],
    ["pause to worker stopped", time(pause.noticedMs)],
    ["reports in flight at the kill", count(crash.inFlight)],
    ["restart to first answer after the kill", time(crash.daemon.startMs)],
    ["acknowledged files checked after the kill", count(crash.checked)],
    ["acknowledged files lost", count(crash.lost)],
    ["outside file to its listing, median", time(percentile(outside.visibleMs, 50))],
    ["outside file to its listing, longest", time(Math.max(...outside.visibleMs))],
    ["removed as completed, expired, failed", `${completed}, ${expired}, ${failed}`],
    ["restored from the trash", "1"],
    ["sessions at the end", count(cleanup.kept)],
    ["total time", time(totalMs)],
  ]);
}

/** The smallest value that at least this percentage of the values does not exceed. */
function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
}
