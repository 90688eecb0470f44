/**
 * Encodes records that are written together as one frame, and decodes segments, which are frames one after
 * another. A frame is written only when the frame before it is durable. So an incomplete frame at the very
 * end may be one that was never acknowledged (a torn tail), and any other incomplete frame is damage. Pure.
 *
 *     magic 4 · body length 4 · first sequence 8 · head CRC-32 4 · body CRC-32 4 · body
 */
import { crc32 } from "node:zlib";
import { decodeRecord, findRecord, type JournalRecord, recordBytes, writeRecord } from "./record.ts";

const magic = 0x46444953; // "SIDF"
const headBytes = 24;
/** The least that a disk writes as a whole. */
const sectorBytes = 512;

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

export interface Range {
  from: number;
  to: number;
}

export interface SegmentContents {
  records: JournalRecord[];
  /** Records whose payload is damaged: their session and revision are still known. */
  damaged: Omit<JournalRecord, "payload">[];
  /** Bytes that may have been records of which nothing is known any more. */
  gaps: Range[];
  /** What follows the last whole frame, and is neither a whole frame nor room that was reserved. */
  tail: (Range & { isTorn: boolean }) | undefined;
  /** Where the last whole frame ends. */
  end: number;
  /** Whether the segment ends in room that was reserved for further frames. */
  hasRoom: boolean;
  /** The sequence after that of the last record; that of the first record if there is none. */
  nextSequence: number;
}

/**
 * Decodes everything that a segment holds. Records in damaged frames whose own checksums hold are believed
 * all the same; those of a torn frame are not, because nobody was promised them.
 *
 * @param first the sequence of the segment's first record
 * @param following the first sequence of the next segment; undefined for the last segment. What is missing
 *   before it tells damage from a torn tail, which looks the same.
 */
export function decodeSegment(bytes: Buffer, first: number, following: number | undefined): SegmentContents {
  const contents: SegmentContents = {
    records: [],
    damaged: [],
    gaps: [],
    tail: undefined,
    end: 0,
    hasRoom: false,
    nextSequence: first,
  };
  const filled = lengthWithoutZeros(bytes);
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
    if (next === -1) break;
    readDamaged(bytes, at, next, contents);
    at = next;
  }
  contents.hasRoom = bytes.length > Math.max(filled, contents.end);
  contents.nextSequence = nextSequence(first, contents);
  if (filled <= at) return contents;
  const isNothingMissing = following === undefined || following === contents.nextSequence;
  const isTorn = isNothingMissing && looksTorn(bytes, at, filled);
  contents.tail = { from: at, to: filled, isTorn };
  if (!isTorn) readDamaged(bytes, at, filled, contents);
  contents.nextSequence = nextSequence(first, contents);
  return contents;
}

/**
 * Whether bytes at the end can be a frame whose write was interrupted: room follows it, and at least one of
 * the sectors that it covers was never written. A disk writes sectors whole, and in any order.
 */
function looksTorn(bytes: Buffer, from: number, to: number): boolean {
  const end = frameAt(bytes, from)?.end ?? from + headBytes;
  if (to === bytes.length || end > bytes.length) return false;
  if (frameAt(bytes, from) !== undefined && to > end) return false;
  for (let at = from; at < end; ) {
    const sectorEnd = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (bytes.subarray(at, sectorEnd).every((byte) => byte === 0)) return true;
    at = sectorEnd;
  }
  return false;
}

function readDamaged(bytes: Buffer, from: number, to: number, contents: SegmentContents): void {
  const start = frameAt(bytes, from) === undefined ? from : from + headBytes;
  const body = bytes.subarray(start, to);
  if (body.some((byte) => byte !== 0)) readRecords(body, start, contents);
}

function nextSequence(first: number, { records, damaged }: SegmentContents): number {
  let next = first;
  for (const { sequence } of records) next = Math.max(next, sequence + 1);
  for (const { sequence } of damaged) next = Math.max(next, sequence + 1);
  return next;
}

function lengthWithoutZeros(bytes: Buffer): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return length;
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
