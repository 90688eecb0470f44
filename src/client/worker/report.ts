/** Reports as they are sent. A report is taken as it is at the call: nobody can change it afterwards. */

import { isProgressDelta } from "../../contract/report-check.ts";
import { SessiondError } from "../../error.ts";
import { JsonError, stringifyJson } from "../../json/exact-json.ts";
import type { ProgressDelta } from "../../session/command.ts";
import { checkBody } from "../http/check-body.ts";
import { clientMaxDepth } from "../http/reply.ts";

export interface Reported {
  /** The session's revision after this report, and perhaps others. */
  revision: number;
}

/**
 * A delta with its results as JSON, key by key, so that reports can be merged without reading them again. Thousands of these wait
 * for their answers, so each is as few objects as can be.
 */
export interface EncodedReport {
  readonly processed: readonly string[];
  readonly added: readonly string[];
  /** Each key, and its JSON after it. */
  readonly results: readonly string[];
  /** Its characters in a message, but for those that JSON escapes. */
  readonly size: number;
}

/** Quotes, a comma or a colon. */
const punctuationSize = 4;

/** @throws SessiondError `invalid_request` for what is no report, or what JSON cannot hold */
export function encodeReport(delta: ProgressDelta): EncodedReport {
  if (!isProgressDelta(delta)) checkBody("reportProgress", delta);
  const { processed = none, results, added = none } = delta;
  return sized(copy(processed), results === undefined ? none : encodeResults(results), copy(added));
}

/** The report of one file, and of others that were found with it. @throws SessiondError `invalid_request` */
export function encodeFile(file: string, result: unknown, added: readonly string[]): EncodedReport {
  return sized([file], result === undefined ? none : [file, encodeResult(file, result)], added);
}

/** Instead of an empty list of its own for each of thousands. */
export const none: readonly never[] = Object.freeze([]);

function copy(files: readonly string[]): readonly string[] {
  return files.length === 0 ? none : files.slice();
}

function encodeResults(results: Readonly<Record<string, unknown>>): readonly string[] {
  const encoded: string[] = [];
  for (const key of Object.keys(results)) {
    if (results[key] !== undefined) encoded.push(key, encodeResult(key, results[key]));
  }
  return encoded;
}

function encodeResult(key: string, value: unknown): string {
  try {
    return stringifyJson(value, { maxDepth: clientMaxDepth });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the result "${key}" cannot be kept: ${error.message}`, {
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

/** One message that says what the reports say one after another. Of results with one key, the last is kept. */
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
