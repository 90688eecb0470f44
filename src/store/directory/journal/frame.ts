/**
 * Encodes records that are written together as one frame, and decodes segments, which are frames one after
 * another. A frame is written only when the frame before it is durable. So an incomplete frame at the very
 * end was never acknowledged, and any other incomplete frame is damage. Pure.
 *
 *     magic 4 · body length 4 · first sequence 8 · head CRC-32 4 · body CRC-32 4 · body
 */
import { crc32 } from "node:zlib";
import { decodeRecord, findRecord, type JournalRecord, recordBytes, writeRecord } from "./record.ts";

const magic = 0x46444953; // "SIDF"
const headBytes = 24;

export function encodeFrame(firstSequence: number, records: readonly JournalRecord[]): Buffer {
  const body = records.reduce((sum, record) => sum + recordBytes(record), 0);
  const frame = Buffer.allocUnsafe(headBytes + body);
  let at = headBytes;
  for (const record of records) at = writeRecord(record, frame, at);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt32LE(body, 4);
  frame.writeDoubleLE(firstSequence, 8);
  frame.writeUInt32LE(crc32(frame.subarray(0, 16)), 16);
  frame.writeUInt32LE(crc32(frame.subarray(headBytes)), 20);
  return frame;
}

export interface SegmentContents {
  records: JournalRecord[];
  /** Records whose payload is damaged: their session and revision are still known. */
  damaged: Omit<JournalRecord, "payload">[];
  /** Bytes that may have been records of which nothing is known any more. */
  gaps: { from: number; to: number }[];
  /** Where the last whole frame ends. */
  end: number;
}

/**
 * Decodes everything that a segment holds. What follows the last whole frame is a torn tail in the last
 * segment, which was being written, and damage in any other.
 */
export function decodeSegment(bytes: Buffer, isLast: boolean): SegmentContents {
  const contents: SegmentContents = { records: [], damaged: [], gaps: [], end: 0 };
  let at = 0;
  while (at < bytes.length) {
    const frame = frameAt(bytes, at);
    if (frame?.isWhole) {
      readRecords(bytes.subarray(at + headBytes, frame.end), at + headBytes, contents);
      at = frame.end;
      contents.end = at;
      continue;
    }
    const next = findFrame(bytes, at + 1);
    if (next === -1 && isLast) return contents;
    // Damage in the middle. Records whose own checksums hold are believed all the same.
    const to = next === -1 ? bytes.length : next;
    const body = bytes.subarray(frame === undefined ? at : at + headBytes, to);
    if (body.some((byte) => byte !== 0)) readRecords(body, to - body.length, contents);
    at = to;
    contents.end = at;
  }
  return contents;
}

function frameAt(bytes: Buffer, at: number): { end: number; isWhole: boolean } | undefined {
  if (at + headBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return undefined;
  if (crc32(bytes.subarray(at, at + 16)) !== bytes.readUInt32LE(at + 16)) return undefined;
  const end = at + headBytes + bytes.readUInt32LE(at + 4);
  if (end > bytes.length) return { end, isWhole: false };
  return { end, isWhole: crc32(bytes.subarray(at + headBytes, end)) === bytes.readUInt32LE(at + 20) };
}

function findFrame(bytes: Buffer, start: number): number {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(magic);
  for (let at = bytes.indexOf(mark, start); at !== -1; at = bytes.indexOf(mark, at + 1)) {
    if (frameAt(bytes, at) !== undefined) return at;
  }
  return -1;
}

function readRecords(body: Buffer, offset: number, contents: SegmentContents): void {
  let at = 0;
  while (at < body.length) {
    const decoded = decodeRecord(body, at);
    if (decoded.state === "unknown") {
      const next = findRecord(body, at + 1);
      const to = next === -1 ? body.length : next;
      contents.gaps.push({ from: offset + at, to: offset + to });
      at = to;
      continue;
    }
    if (decoded.state === "good") contents.records.push(decoded.record);
    else contents.damaged.push(decoded.record);
    at = decoded.end;
  }
}
