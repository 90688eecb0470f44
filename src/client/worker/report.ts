/**
 * Encodes reports as JSON. A report is encoded when it is made, so that later changes of the caller have no
 * effect.
 */
import { isProgressDelta } from "../../contract/report-check.ts";
import { SessiondError } from "../../error.ts";
import { JsonError, stringifyJson } from "../../json/exact-json.ts";
import type { ProgressDelta } from "../../session/command.ts";
import { checkBody } from "../http/check-body.ts";
import { clientMaxDepth } from "../http/reply.ts";

export interface Reported {
  /** The session's revision after this report, and possibly later ones. */
  revision: number;
}

/**
 * A delta with its results as JSON, key by key, so that reports can be merged without parsing them. Thousands
 * may be outstanding, so each consists of few objects.
 */
export interface EncodedReport {
  readonly processed: readonly string[];
  readonly added: readonly string[];
  /** Keys at even positions, each followed by its JSON. */
  readonly results: readonly string[];
  /** The number of characters in a message, without counting escapes. */
  readonly size: number;
}

/** Two quotes, a comma or colon, and a margin. */
const punctuationSize = 4;

/** @throws SessiondError `invalid_request` for an invalid report, or a value that JSON cannot hold */
export function encodeReport(delta: ProgressDelta): EncodedReport {
  if (!isProgressDelta(delta)) checkBody("reportProgress", delta);
  const { processed = none, results, added = none } = delta;
  return sized(copy(processed), results === undefined ? none : encodeResults(results), copy(added));
}

/** Encodes the report of one processed file and newly found ones. @throws SessiondError `invalid_request` */
export function encodeFile(file: string, result: unknown, added: readonly string[]): EncodedReport {
  return sized([file], result === undefined ? none : [file, encodeResult(file, result)], added);
}

/** One shared empty list, to save memory. */
export const none: readonly never[] = Object.freeze([]);

function copy(files: readonly string[]): readonly string[] {
  return files.length === 0 ? none : files.slice();
}

function encodeResults(results: Readonly<Record<string, unknown>>): readonly string[] {
  const encoded: string[] = [];
  for (const key of Object.keys(results)) {
    if (results[key] !== undefined) encoded.push(key, encodeResult(key, results[key]));
  }
  // A copy has no room to grow: thousands may be outstanding.
  return encoded.slice();
}

function encodeResult(key: string, value: unknown): string {
  try {
    return stringifyJson(value, { maxDepth: clientMaxDepth });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `cannot store the result "${key}": ${error.message}`, {
      cause: error,
    });
  }
}

function sized(
  processed: readonly string[],
  results: readonly string[],
  added: readonly string[],
): EncodedReport {
  let size = 0;
  for (const file of processed) size += file.length + punctuationSize;
  for (const file of added) size += file.length + punctuationSize;
  for (const text of results) size += text.length + punctuationSize / 2;
  return { processed, results, added, size };
}

/** Merges reports, in order, into one message. For results with the same key, the last one is sent. */
export function progressText(seq: number, reports: readonly EncodedReport[]): string {
  const parts = [`{"type":"progress","seq":${seq}`];
  const processed = reports.flatMap((report) => report.processed);
  if (processed.length > 0) parts.push(`"processed":${JSON.stringify(processed)}`);
  const latest = new Map<string, string>();
  for (const { results } of reports) {
    for (let at = 0; at < results.length; at += 2)
      latest.set(results[at] as string, results[at + 1] as string);
  }
  if (latest.size > 0) {
    const entries = Array.from(latest, ([key, json]) => `${JSON.stringify(key)}:${json}`);
    parts.push(`"results":{${entries.join(",")}}`);
  }
  const added = reports.flatMap((report) => report.added);
  if (added.length > 0) parts.push(`"added":${JSON.stringify(added)}`);
  return `${parts.join(",")}}`;
}
