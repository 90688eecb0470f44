/** A row of `sessions` as the log reads it, and the columns that follow from a document. */

import { SessiondError } from "../../../error.ts";
import { JsonError } from "../../../json/exact-json.ts";
import { stringifyJsonInSlices } from "../../../json/write-in-slices.ts";
import { type Session, summarize } from "../../../session/session.ts";
import { formatTimestamp } from "../../../time/clock.ts";
import {
  decodeSessionInSlices,
  maxStoredBytes,
  maxStoredDepth,
  tooLarge,
} from "../../document/decode-session.ts";
import type { Parameter } from "../connection/database.ts";
import { columnsOf, type SummaryRow, summaryColumns } from "../view/summary-row.ts";

export interface SessionRow extends SummaryRow {
  sid: number;
  seq: number;
  base_seq: number;
  frame_seq: number;
  log_bytes: number;
  removed_us: number | null;
  removed_reason: string | null;
  trash_id: string | null;
}

export const rowColumns = `sid, seq, base_seq, frame_seq, log_bytes, removed_us, removed_reason, trash_id, ${summaryColumns}`;

/**
 * The document of a row, with empty lists and results in their places. A report changes the columns of
 * revision and checkpoint time alone, so these two are newer than the frame.
 *
 * @throws UnreadableError
 */
export async function frameOf(row: SummaryRow & { frame: Buffer }): Promise<Session> {
  const frame = await decodeSessionInSlices(row.frame);
  const checkpoint_time = row.checkpoint_text ?? formatTimestamp(row.checkpoint_us);
  return { ...frame, checkpoint_time, revision: row.revision };
}

/** @throws SessiondError `invalid_request`, `payload_too_large` */
export async function encodeFrame(session: Session): Promise<Buffer> {
  const frame = { ...session, processed_files: [], pending_files: [], partial_results: {} };
  try {
    const text = await stringifyJsonInSlices(frame, maxStoredDepth);
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    if (bytes.length > maxStoredBytes) throw new SessiondError("payload_too_large", tooLarge(bytes.length));
    return bytes;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the session cannot be stored: ${error.message}`);
  }
}

/** The columns that follow from a document. */
export const frameColumns = [
  "id",
  "status",
  "revision",
  "checkpoint_us",
  "checkpoint_text",
  "active_min",
  "created_us",
  "facts",
  "pinned",
  "labels",
  "search",
  "processed",
  "pending",
  "bytes",
] as const;

/** The values of `frameColumns`. `counts`: of the files and bytes, if `session` has empty lists. */
export function frameValues(
  session: Session,
  bytes: number,
  counts?: { processed: number; pending: number },
): Parameter[] {
  const summary = summarize(session, Number(session.revision ?? 1), bytes);
  if (counts !== undefined) {
    summary.processed_count = counts.processed;
    summary.pending_count = counts.pending;
  }
  const columns = columnsOf(summary);
  return frameColumns.map((name) => columns[name]);
}
