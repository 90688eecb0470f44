/** Encodes a report for the journal, and bounds by how much the document grows with it. Pure. */
import { SessiondError } from "../../../error.ts";
import { JsonError, stringifyJson } from "../../../json/exact-json.ts";
import { endOfString } from "../../../json/scan.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import { maxStoredDepth } from "../disk/session-codec.ts";

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
    throw new SessiondError("invalid_request", `the report cannot be stored: ${error.message}`);
  }
}

const quote = 0x22;
const comma = 0x2c;
/** Of objects and of lists: these two differ in one bit, which is none of those that the others use. */
const opening = 0x7b;
const closing = 0x7d;
const listBit = 0x20;

/**
 * At most how many bytes a document grows by a report, of which this is the JSON: each item gets a line of
 * its own.
 */
export function growthBound(report: Uint8Array): number {
  let items = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < report.length; at++) {
    const code = report[at] as number;
    if (code === quote) at = endOfString(report, at + 1);
    else if (code === comma) items++;
    else if ((code | listBit) === opening) {
      items++;
      depth++;
      if (depth > deepest) deepest = depth;
    } else if ((code | listBit) === closing) depth--;
  }
  return report.length + items * (2 * deepest + 8);
}
