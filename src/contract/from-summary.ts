/** Replies that are derived from a session's summary. */
import type { Session, SessionSummary } from "../session/session.ts";
import type { ProgressReply, SessionSummaryAndHealth, Validation } from "./replies.ts";

export function progressReplyOf(summary: SessionSummary): ProgressReply {
  const { status, revision, processed_count, pending_count } = summary;
  return { status, revision, processed_count, pending_count };
}

export function summaryAndHealthOf(
  summary: SessionSummary,
  { valid, findings, run }: Validation & Pick<Session, "run">,
  workers: SessionSummaryAndHealth["workers"],
): SessionSummaryAndHealth {
  const files = summary.processed_count + summary.pending_count;
  const progress = files === 0 ? null : summary.processed_count / files;
  return { ...summary, progress, workers, healthy: valid, findings, run: run ?? null };
}
