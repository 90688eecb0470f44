/** Times for display, relative to now. Pure. */
import { microsPerMs, parseTimestamp } from "../time/clock.ts";
import { roughDuration } from "../time/duration.ts";

/** How long ago something was, by `nowMs` (since 1970): `5 min ago`, `just now`. */
export function ago(timestamp: string, nowMs: number): string {
  const at = parseTimestamp(timestamp);
  if (at === undefined) return timestamp;
  const elapsedMs = nowMs - at / microsPerMs;
  if (Math.abs(elapsedMs) < 5000) return "just now";
  // What has happened cannot be to come: the clock was set, or was wrong where the time was written.
  return elapsedMs > 0 ? `${roughDuration(elapsedMs)} ago` : "in the future?";
}

/** How far away something is that is to come: `in 3 h`, `now`. */
export function until(timestamp: string, nowMs: number): string {
  const at = parseTimestamp(timestamp);
  if (at === undefined) return timestamp;
  const leftMs = at / microsPerMs - nowMs;
  return leftMs < 1000 ? "now" : `in ${roughDuration(leftMs)}`;
}
