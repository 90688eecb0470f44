/** A report as it goes into the journal, and what it may do to the document. Pure. */
import { SessiondError } from "../error.ts";
import { JsonError, stringifyJson } from "../json.ts";
import type { ProgressDelta } from "../session/command.ts";
import { maxStoredDepth } from "./session-file.ts";

export interface EncodedReport {
  delta: ProgressDelta;
  payload: Buffer;
  /** At most how many bytes the document grows by it. */
  growth: number;
}

/**
 * @param text the delta as its sender wrote it: compact or not, and perhaps with keys of its own
 * @throws SessiondError `invalid_request`
 */
export function encodeReport(delta: ProgressDelta, text?: Buffer): EncodedReport {
  if (text !== undefined) return { delta, payload: text, growth: growthBound(text) };
  try {
    const payload = Buffer.from(stringifyJson(delta, { maxDepth: maxStoredDepth }));
    return { delta, payload, growth: growthBound(payload) };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the report cannot be kept: ${error.message}`);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openings: readonly number[] = [0x7b, 0x5b];
const closings: readonly number[] = [0x7d, 0x5d];

/** At most how many bytes a document grows by a report, of which this is the JSON: each item gets a line of its own. */
export function growthBound(report: Uint8Array): number {
  let items = 0;
  let depth = 0;
  let deepest = 0;
  let isString = false;
  for (let at = 0; at < report.length; at++) {
    const byte = report[at] as number;
    if (isString) {
      if (byte === backslash) at++;
      else if (byte === quote) isString = false;
    } else if (byte === quote) isString = true;
    else if (byte === comma) items++;
    else if (openings.includes(byte)) {
      items++;
      depth++;
      deepest = Math.max(deepest, depth);
    } else if (closings.includes(byte)) depth--;
  }
  return report.length + items * (2 * deepest + 8);
}
