/**
 * One change of one session as bytes. Pure.
 *
 *     magic 2 · head length 2 · payload length 4 · head CRC-32 4 · payload CRC-32 4 · head · payload
 *
 * The head (sequence, revision, time, kind, ordinal, session id, generation) has a checksum of its own, so that damage to a payload
 * still tells whose it was, and damage to a head is told from the end of the log. Numbers are little-endian.
 */
import { crc32 } from "node:zlib";
import type { Micros } from "../../clock.ts";

const magic = 0x4a53; // "SJ"
const prefixBytes = 16;
const fixedHeadBytes = 29;

/** No record is longer; a longer length is damage. */
export const maxPayloadBytes = 256 * 1024 * 1024;

export const kinds = {
  /** A report of progress; the payload is its delta as JSON. */
  progress: 1,
  /** The JSON file holds everything up to this revision. No payload. */
  base: 2,
} as const;
export type Kind = (typeof kinds)[keyof typeof kinds];

export interface JournalRecord {
  /** Grows by one with every record of the journal. */
  sequence: number;
  kind: Kind;
  sessionId: string;
  /** Empty where the session has none. */
  generation: string;
  /** The session's revision after this change. */
  revision: number;
  time: Micros;
  /** Counts the session's records from when it was loaded, so that a missing one is noticed. */
  ordinal: number;
  payload: Buffer;
}

export function encodeRecord(record: JournalRecord): Buffer {
  const id = Buffer.byteLength(record.sessionId);
  const generation = Buffer.byteLength(record.generation);
  const head = fixedHeadBytes + 2 + id + generation;
  const { payload } = record;
  const bytes = Buffer.allocUnsafe(prefixBytes + head + payload.length);
  bytes.writeUInt16LE(magic, 0);
  bytes.writeUInt16LE(head, 2);
  bytes.writeUInt32LE(payload.length, 4);
  let at = prefixBytes;
  at = bytes.writeDoubleLE(record.sequence, at);
  at = bytes.writeDoubleLE(record.revision, at);
  at = bytes.writeDoubleLE(record.time, at);
  at = bytes.writeUInt8(record.kind, at);
  at = bytes.writeUInt32LE(record.ordinal, at);
  at = bytes.writeUInt16LE(id, at);
  at += bytes.write(record.sessionId, at);
  bytes.write(record.generation, at);
  payload.copy(bytes, prefixBytes + head);
  bytes.writeUInt32LE(crc32(bytes.subarray(prefixBytes, prefixBytes + head), payload.length), 8);
  bytes.writeUInt32LE(crc32(payload), 12);
  return bytes;
}

export type Decoded =
  /** `end` is where the next record begins. */
  | { state: "good"; record: JournalRecord; end: number }
  /** Whose it was is known, what it said is not. */
  | { state: "damaged"; record: Omit<JournalRecord, "payload">; end: number }
  /** No record begins here, or not all of it is there. */
  | { state: "unknown" };

export function decodeRecord(bytes: Buffer, start: number): Decoded {
  if (start + prefixBytes > bytes.length || bytes.readUInt16LE(start) !== magic) return { state: "unknown" };
  const headLength = bytes.readUInt16LE(start + 2);
  const payloadLength = bytes.readUInt32LE(start + 4);
  const headEnd = start + prefixBytes + headLength;
  if (headLength < fixedHeadBytes + 2 || headEnd > bytes.length) return { state: "unknown" };
  const head = bytes.subarray(start + prefixBytes, headEnd);
  // The length of the payload is part of what the checksum covers.
  if (crc32(head, payloadLength) !== bytes.readUInt32LE(start + 8)) return { state: "unknown" };
  const end = headEnd + payloadLength;
  if (end > bytes.length) return { state: "unknown" };
  const idLength = head.readUInt16LE(fixedHeadBytes);
  const known = {
    sequence: head.readDoubleLE(0),
    revision: head.readDoubleLE(8),
    time: head.readDoubleLE(16),
    kind: head.readUInt8(24) as Kind,
    ordinal: head.readUInt32LE(25),
    sessionId: head.toString("utf8", fixedHeadBytes + 2, fixedHeadBytes + 2 + idLength),
    generation: head.toString("utf8", fixedHeadBytes + 2 + idLength),
  };
  const payload = bytes.subarray(headEnd, end);
  if (crc32(payload) !== bytes.readUInt32LE(start + 12)) return { state: "damaged", record: known, end };
  return { state: "good", record: { ...known, payload }, end };
}

/** Where the next whole record begins, at or after a place that holds none; -1 if there is none. */
export function findRecord(bytes: Buffer, start: number): number {
  const mark = Buffer.from([magic & 0xff, magic >> 8]);
  for (let at = bytes.indexOf(mark, start); at !== -1; at = bytes.indexOf(mark, at + 1)) {
    if (decodeRecord(bytes, at).state !== "unknown") return at;
  }
  return -1;
}
