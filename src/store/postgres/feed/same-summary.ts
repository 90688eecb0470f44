/** Whether two summaries say the same. Pure. */
import type { SessionSummary } from "../../../session/session.ts";

export function isSame(one: SessionSummary, other: SessionSummary): boolean {
  const { labels, ...rest } = one;
  const labelKeys = Object.keys(labels);
  return (
    Object.entries(rest).every(([key, value]) => other[key as keyof SessionSummary] === value) &&
    labelKeys.length === Object.keys(other.labels).length &&
    labelKeys.every((key) => Object.hasOwn(other.labels, key) && other.labels[key] === labels[key])
  );
}
