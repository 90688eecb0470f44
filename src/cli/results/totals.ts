/** What is known of all results together: counts and times. Pure. */
import { memberOf } from "../../json/exact-json.ts";
import { microsPerMs, parseTimestamp } from "../../time/clock.ts";
import { plainNumberOf, type ResultStatus, type Row } from "./row.ts";

export class Totals {
  results = 0;
  readonly byStatus: Record<ResultStatus, number> = { failed: 0, succeeded: 0, pending: 0, other: 0 };
  /** The failed files whose command did not end by itself with an exit status. */
  errors = 0;
  /** How long the last attempts took together, in milliseconds. */
  workMs = 0;
  /** When the first of them began and the last one ended, in milliseconds since 1970, as far as is known. */
  firstMs: number | undefined;
  lastMs: number | undefined;

  add(row: Row): void {
    this.results++;
    this.byStatus[row.status]++;
    if (row.status === "failed" && !hasExitStatus(row)) this.errors++;
    const durationMs = durationMsOf(row) ?? 0;
    this.workMs += durationMs;
    const endMs = finishedMsOf(row);
    if (endMs === undefined) return;
    this.firstMs = Math.min(this.firstMs ?? endMs, endMs - durationMs);
    this.lastMs = Math.max(this.lastMs ?? endMs, endMs);
  }
}

/**
 * Whether the command ended by itself with an exit status: it began, and no signal or time limit ended it.
 */
export function hasExitStatus({ result }: Row): boolean {
  const isSet = (key: string) => memberOf(result, key) !== undefined;
  return isSet("exit_code") && !isSet("signal") && !isSet("timed_out") && !isSet("error");
}

/** About thirty years. */
const longestMs = 1e12;

/** Of the last attempt. Undefined if the result has none, or one that cannot be true. */
export function durationMsOf({ result }: Row): number | undefined {
  const ms = plainNumberOf(result, "duration_ms");
  return ms !== undefined && ms >= 0 && ms <= longestMs ? ms : undefined;
}

/** In milliseconds since 1970. */
export function finishedMsOf({ result }: Row): number | undefined {
  const time = memberOf(result, "finished_time");
  const micros = typeof time === "string" ? parseTimestamp(time) : undefined;
  return micros === undefined ? undefined : micros / microsPerMs;
}
