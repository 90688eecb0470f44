/** Replies that are derived from a session's summary. */
import type { Session, SessionSummary } from "../session/session.ts";
import type { ListedSession, ProgressReply, SessionSummaryAndHealth, Validation } from "./replies.ts";

export function progressReplyOf(summary: SessionSummary): ProgressReply {
  const { status, revision, processed_count, pending_count } = summary;
  return { status, revision, processed_count, pending_count };
}

/** Key by key: a spread of each session takes a tenth of the time of a page. */
export function withWorkers(
  summary: SessionSummary,
  workers: SessionSummaryAndHealth["workers"],
): ListedSession {
  return {
    session_id: summary.session_id,
    status: summary.status,
    status_reason: summary.status_reason,
    target_path: summary.target_path,
    checkpoint_time: summary.checkpoint_time,
    created_time: summary.created_time,
    generation: summary.generation,
    revision: summary.revision,
    labels: summary.labels,
    pinned: summary.pinned,
    processed_count: summary.processed_count,
    pending_count: summary.pending_count,
    bytes: summary.bytes,
    workers,
  };
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
