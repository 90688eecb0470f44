/**
 * A fast check of a document, at a tenth of the cost of its schema. It accepts only what the schema accepts;
 * a test compares the two. If the check fails, the schema decides and gives the reason.
 */
import { isJsonObject } from "../json/exact-json.ts";
import { parseTimestamp } from "../time/clock.ts";
import { analysisDepths, type Session, statuses } from "./session.ts";
import { sessionIdProblem } from "./session-id.ts";

export function isSession(value: unknown): value is Session {
  if (!isJsonObject(value)) return false;
  const { status_reason, generation, revision, pinned, labels, created_time } = value;
  return (
    sessionIdProblem(value.session_id) === undefined &&
    isOneOf(statuses, value.status) &&
    isConfig(value.config) &&
    isStringList(value.processed_files) &&
    isStringList(value.pending_files) &&
    isJsonObject(value.partial_results) &&
    isTimestamp(value.checkpoint_time) &&
    (created_time === undefined || isTimestamp(created_time)) &&
    (generation === undefined || typeof generation === "string") &&
    (revision === undefined || (Number.isSafeInteger(revision) && (revision as number) >= 0)) &&
    (labels === undefined || areLabels(labels)) &&
    (pinned === undefined || typeof pinned === "boolean") &&
    (status_reason === undefined || status_reason === null || typeof status_reason === "string")
  );
}

function isConfig(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  const { target_path, file_patterns, exclude_patterns, coding_standards } = value;
  const { analysis_depth, enable_parallel } = value;
  return (
    typeof target_path === "string" &&
    target_path.trim() !== "" &&
    (file_patterns === undefined || isStringList(file_patterns)) &&
    (exclude_patterns === undefined || isStringList(exclude_patterns)) &&
    (coding_standards === undefined || isJsonObject(coding_standards)) &&
    (analysis_depth === undefined || isOneOf(analysisDepths, analysis_depth)) &&
    (enable_parallel === undefined || typeof enable_parallel === "boolean")
  );
}

function isOneOf(values: readonly string[], value: unknown): boolean {
  return typeof value === "string" && values.includes(value);
}

function isTimestamp(value: unknown): boolean {
  return typeof value === "string" && parseTimestamp(value) !== undefined;
}

function areLabels(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  for (const key of Object.keys(value)) if (typeof value[key] !== "string") return false;
  return true;
}

export function isStringList(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false;
  // A loop by index also finds holes, which `every` skips.
  for (let at = 0; at < value.length; at++) if (typeof value[at] !== "string") return false;
  return true;
}
