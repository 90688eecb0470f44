/**
 * A summary as columns of a row of the table `sessions`, and back. Pure. The columns that lists filter and
 * sort by repeat parts of the summary; only the exact columns are ever read back.
 *
 * The room store/postgres/view/ owns what is read from rows without a document: summaries, lists, search,
 * counts. It does not know how a document or a log is kept.
 */
import type { SessionSummary, Status } from "../../../session/session.ts";
import { formatTimestamp, type Micros, parseTimestamp } from "../../../time/clock.ts";
import { fromText, toText } from "../schema/names.ts";
import { labelElement } from "./label-element.ts";
import { searchText } from "./search-text.ts";

/** The columns that {@link summaryOf} needs, for a select list. */
export const summaryColumns =
  "id, revision, status, checkpoint_us, checkpoint_text, facts, processed, pending, bytes";

/** What a row says of a session: all of its summary. */
export interface SummaryRow {
  id: string;
  revision: number;
  status: string;
  checkpoint_us: number;
  /** As the document wrote it, where that is not the usual form of `checkpoint_us`. */
  checkpoint_text: string | null;
  facts: Buffer;
  processed: number;
  pending: number;
  bytes: number;
}

/** All columns of a row that follow from its summary: those of {@link SummaryRow}, and those of lists. */
export interface SessionColumns extends SummaryRow {
  /** The minute of `checkpoint_us`, by which lists are indexed; see `docs/decisions`. */
  active_min: number;
  /** 0 if the session does not say. */
  created_us: number;
  pinned: boolean;
  /** One element for each label, to be found by equality. */
  labels: string[];
  /** What `q` looks in. */
  search: string;
}

/** The part of a summary that no other column holds. */
type Facts = Pick<
  SessionSummary,
  "status_reason" | "target_path" | "created_time" | "generation" | "labels" | "pinned"
>;

export function summaryOf(row: SummaryRow): SessionSummary {
  // Not the exact parser: JSON.parse keeps strings, booleans and null exactly, and there is nothing else.
  const facts = JSON.parse(row.facts.toString()) as Facts;
  return {
    session_id: fromText(row.id),
    status: row.status as Status,
    status_reason: facts.status_reason,
    target_path: facts.target_path,
    checkpoint_time: row.checkpoint_text ?? formatTimestamp(row.checkpoint_us),
    created_time: facts.created_time,
    generation: facts.generation,
    revision: row.revision,
    labels: facts.labels,
    pinned: facts.pinned,
    processed_count: row.processed,
    pending_count: row.pending,
    bytes: row.bytes,
  };
}

export function columnsOf(summary: SessionSummary): SessionColumns {
  const { session_id, status_reason, target_path, created_time, generation, labels, pinned } = summary;
  const facts: Facts = { status_reason, target_path, created_time, generation, labels, pinned };
  return {
    id: toText(session_id),
    status: summary.status,
    revision: summary.revision,
    ...checkpointColumns(summary.checkpoint_time),
    created_us: created_time === null ? 0 : (parseTimestamp(created_time) ?? 0),
    facts: Buffer.from(JSON.stringify(facts)),
    pinned,
    labels: Object.entries(labels).map(([key, value]) => labelElement(key, value)),
    search: searchText(summary),
    processed: summary.processed_count,
    pending: summary.pending_count,
    bytes: summary.bytes,
  };
}

/** The columns of a checkpoint time: of those that a report changes, all that need to be computed. */
export function checkpointColumns(
  text: string,
): Pick<SessionColumns, "checkpoint_us" | "checkpoint_text" | "active_min"> {
  const checkpoint_us = parseTimestamp(text) ?? 0;
  return {
    checkpoint_us,
    checkpoint_text: text === formatTimestamp(checkpoint_us) ? null : text,
    active_min: minuteOf(checkpoint_us),
  };
}

export function minuteOf(at: Micros): number {
  return Math.floor(at / microsPerMinute);
}

const microsPerMinute = 60_000_000;
