/**
 * Encodes and decodes one record of the journal: a report of a session, its base, or claims of its files.
 * Pure.
 *
 *     magic 2 · head length 2 · payload length 4 · head CRC-32 4 · payload CRC-32 4 · head · payload
 *
 * The head has a checksum of its own: a record with a damaged payload still says which session it belongs to,
 * and a damaged head is told from the end of the log. Numbers are little-endian.
 */
import { crc32 } from "node:zlib";
import type { Micros } from "../../../time/clock.ts";
import type { GenerationMark } from "../../generation.ts";

const magic = 0x4a53; // "SJ"
const prefixBytes = 16;
/** Kind 1 · sequence 8 · link 8 · revision 8 · time 8 · generation 8; the session id follows. */
const fixedHeadBytes = 41;

export const kinds = {
  /** A report of progress; the payload is its delta as JSON. */
  progress: 1,
  /** The session's file holds every report up to `link`. No payload. */
  base: 2,
  /** The lease `link` has claimed files; the payload is a JSON list of them. */
  claim: 3,
  /** The lease `link` has given files back; the payload is a JSON list of them. */
  release: 4,
} as const;
export type Kind = (typeof kinds)[keyof typeof kinds];

export interface JournalRecord {
  /** Grows by one with every record of the journal. */
  sequence: number;
  kind: Kind;
  sessionId: string;
  generation: GenerationMark;
  /**
   * Of a report: the sequence of the session's report before it, so that a missing one is noticed; 0 if the
   * file holds all that came before. Of a base: the last sequence that the file holds. Of claims: the id of
   * their lease.
   */
  link: number;
  /** The session's revision with this change. */
  revision: number;
  time: Micros;
  payload: Buffer;
}

/** The record of a report. Its sequence and link are set when it is written. */
export function progressRecord(
  sessionId: string,
  {
    generation,
    revision,
    time,
    payload,
  }: Pick<JournalRecord, "generation" | "revision" | "time" | "payload">,
): JournalRecord {
  return { sequence: 0, kind: kinds.progress, sessionId, generation, link: 0, revision, time, payload };
}

const nothing = Buffer.alloc(0);

/**
 * The record of a base: the session's file holds every report up to a sequence. Its own sequence is set when
 * it is written.
 */
export function baseRecord(sessionId: string, upTo: number): JournalRecord {
  const kind = kinds.base;
  return { sequence: 0, kind, sessionId, generation: 0n, link: upTo, revision: 0, time: 0, payload: nothing };
}

/**
 * The record of files that a lease has claimed or given back. Its payload is set before it is appended, its
 * sequence when it is written.
 */
export function claimsRecord(
  kind: typeof kinds.claim | typeof kinds.release,
  sessionId: string,
  { generation, lease }: { generation: GenerationMark; lease: number },
): JournalRecord {
  return { sequence: 0, kind, sessionId, generation, link: lease, revision: 0, time: 0, payload: nothing };
}

/** The number of bytes that {@link writeRecord} writes. */
export function recordBytes({ sessionId, payload }: JournalRecord): number {
  return prefixBytes + fixedHeadBytes + Buffer.byteLength(sessionId) + payload.length;
}

/** Writes a record into a buffer. Returns where the next one goes. */
export function writeRecord(record: JournalRecord, bytes: Buffer, start: number): number {
  const { payload } = record;
  const head = start + prefixBytes;
  let at = bytes.writeUInt8(record.kind, head);
  at = bytes.writeDoubleLE(record.sequence, at);
  at = bytes.writeDoubleLE(record.link, at);
  at = bytes.writeDoubleLE(record.revision, at);
  at = bytes.writeDoubleLE(record.time, at);
  at = bytes.writeBigUInt64LE(record.generation, at);
  at += bytes.write(record.sessionId, at);
  bytes.writeUInt16LE(magic, start);
  bytes.writeUInt16LE(at - head, start + 2);
  bytes.writeUInt32LE(payload.length, start + 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(head, at), payload.length), start + 8);
  bytes.writeUInt32LE(crc32(payload), start + 12);
  return at + payload.copy(bytes, at);
}

export type Decoded =
  /** `end` is where the next record begins. */
  | { state: "good"; record: JournalRecord; end: number }
  /** The head is whole, the payload is not. */
  | { state: "damaged"; record: Omit<JournalRecord, "payload">; end: number }
  /** No record begins here, or not all of it is there. */
  | { state: "unknown" };

/** Decodes the record that begins at `start`. */
export function decodeRecord(bytes: Buffer, start: number): Decoded {
  if (start + prefixBytes > bytes.length || bytes.readUInt16LE(start) !== magic) return { state: "unknown" };
  const headLength = bytes.readUInt16LE(start + 2);
  const payloadLength = bytes.readUInt32LE(start + 4);
  const headEnd = start + prefixBytes + headLength;
  if (headLength < fixedHeadBytes || headEnd > bytes.length) return { state: "unknown" };
  const head = bytes.subarray(start + prefixBytes, headEnd);
  // The length of the payload is part of what the checksum covers.
  if (crc32(head, payloadLength) !== bytes.readUInt32LE(start + 8)) return { state: "unknown" };
  const end = headEnd + payloadLength;
  if (end > bytes.length) return { state: "unknown" };
  const known = {
    kind: head.readUInt8(0) as Kind,
    sequence: head.readDoubleLE(1),
    link: head.readDoubleLE(9),
    revision: head.readDoubleLE(17),
    time: head.readDoubleLE(25),
    generation: head.readBigUInt64LE(33),
    sessionId: head.toString("utf8", fixedHeadBytes),
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
