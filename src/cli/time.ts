/** Times for display, relative to now. Pure. */
import { microsPerMs, parseTimestamp } from "../time/clock.ts";

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** A time relative to `nowMs` (since 1970): `5 min ago`, `in 3 h`, `just now`. */
export function ago(timestamp: string, nowMs: number): string {
  const at = parseTimestamp(timestamp);
  if (at === undefined) return timestamp;
  const elapsed = nowMs - at / microsPerMs;
  if (Math.abs(elapsed) < 5000) return "just now";
  return elapsed > 0 ? `${roughly(elapsed)} ago` : `in ${roughly(-elapsed)}`;
}

/** A duration in milliseconds, rounded down in its largest unit: `3 h`. */
export function roughly(ms: number): string {
  for (const [unit, length] of units) {
    if (ms >= length) return `${Math.floor(ms / length)} ${unit}`;
  }
  return `${Math.round(ms)} ms`;
}
