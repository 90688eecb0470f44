/** Encodes a report for a journal, and bounds by how much the document grows with it. Pure. */
import { yieldIfDue } from "../../async/slices.ts";
import { SessiondError } from "../../error.ts";
import { JsonError, stringifyJson } from "../../json/exact-json.ts";
import { endOfString } from "../../json/scan.ts";
import type { ProgressDelta } from "../../session/command.ts";
import { maxStoredDepth } from "./decode-session.ts";

export interface EncodedReport {
  delta: ProgressDelta;
  payload: Buffer;
  /** At most how many names, results and other values it has. */
  items: number;
  /** At most how many bytes the document grows by it. */
  growth: number;
}

/** A longer report is gone through in slices. */
const longBytes = 1024 * 1024;

/**
 * Resolves later if the report is long.
 *
 * @param text the delta as its sender wrote it: compact or not, and perhaps with keys of its own
 * @throws SessiondError `invalid_request`
 */
export function encodeReport(delta: ProgressDelta, text?: Buffer): EncodedReport | Promise<EncodedReport> {
  const payload = text ?? jsonOf(delta);
  if (payload.length <= longBytes) return { delta, payload, ...sizeOf(payload) };
  return sizeInSlices(payload).then((size) => ({ delta, payload, ...size }));
}

export function jsonOf(delta: ProgressDelta): Buffer {
  try {
    return Buffer.from(stringifyJson(delta, { maxDepth: maxStoredDepth }));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the report cannot be stored: ${error.message}`);
  }
}

type Size = Pick<EncodedReport, "items" | "growth">;

/** How many items are in a report, of which this is the JSON, and at most how many bytes it adds. */
export function sizeOf(report: Uint8Array): Size {
  const scan = { at: 0, items: 0, depth: 0, deepest: 0 };
  goOn(scan, report, report.length);
  return sizeFrom(scan, report);
}

async function sizeInSlices(report: Uint8Array): Promise<Size> {
  const scan = { at: 0, items: 0, depth: 0, deepest: 0 };
  while (scan.at < report.length) {
    goOn(scan, report, Math.min(scan.at + longBytes, report.length));
    await yieldIfDue();
  }
  return sizeFrom(scan, report);
}

/** Each item gets a line of its own in the document. */
function sizeFrom({ items, deepest }: Scan, report: Uint8Array): Size {
  return { items, growth: report.length + items * (2 * deepest + 8) };
}

interface Scan {
  at: number;
  items: number;
  depth: number;
  deepest: number;
}

const quote = 0x22;
const comma = 0x2c;
/** Of objects and of lists: these two differ in one bit, which is none of those that the others use. */
const opening = 0x7b;
const closing = 0x7d;
const listBit = 0x20;

function goOn(scan: Scan, report: Uint8Array, end: number): void {
  let { at, items, depth, deepest } = scan;
  for (; at < end; at++) {
    const code = report[at] as number;
    if (code === quote) at = endOfString(report, at + 1);
    else if (code === comma) items++;
    else if ((code | listBit) === opening) {
      items++;
      depth++;
      if (depth > deepest) deepest = depth;
    } else if ((code | listBit) === closing) depth--;
  }
  scan.at = at;
  scan.items = items;
  scan.depth = depth;
  scan.deepest = deepest;
}
