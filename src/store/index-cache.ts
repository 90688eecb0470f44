/**
 * What the index knew of each file when it was last saved, so that a start need not read files that have not changed. Derived:
 * whatever of it cannot be believed is left out, and those files are read.
 *
 * One line of JSON per group of rows, each after the CRC-32 of it. Pure but for reading the file.
 */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Micros } from "../clock.ts";
import { systemErrorCode } from "../error.ts";
import type { SessionSummary } from "../session/session.ts";
import { nextSlice } from "../slices.ts";
import type { Identity } from "./session-file.ts";

/** Another one is for another shape of rows, and is not read. */
const version = 1;
const rowsPerLine = 500;
const noLabels = Object.freeze({});

/** A session's file, the state in which it was read, and what the index said of it. */
export interface CachedFile {
  file: string;
  identity: Identity;
  summary: SessionSummary;
  /** The times of the summary, read. */
  checkpoint: Micros;
  created: Micros;
}

type Row = [
  file: string,
  identity: string,
  session_id: string,
  status: SessionSummary["status"],
  status_reason: string | null,
  target_path: string,
  checkpoint_time: string,
  created_time: string | null,
  generation: string | null,
  revision: number,
  labels: SessionSummary["labels"] | 0,
  pinned: 0 | 1,
  processed_count: number,
  pending_count: number,
  bytes: number,
  checkpoint: Micros,
  created: Micros,
];

export async function encodeCache(entries: Iterable<CachedFile>): Promise<Buffer> {
  const lines = [lineOf({ version })];
  let rows: Row[] = [];
  for (const entry of entries) {
    rows.push(rowOf(entry));
    if (rows.length < rowsPerLine) continue;
    lines.push(lineOf(rows));
    rows = [];
    await nextSlice();
  }
  if (rows.length > 0) lines.push(lineOf(rows));
  return Buffer.concat(lines);
}

/** By file name. Empty where there is no cache, or none that this version can read. */
export async function readCache(path: string): Promise<Map<string, CachedFile>> {
  const files = new Map<string, CachedFile>();
  let isFirst = true;
  for (const value of linesOf(path)) {
    if (isFirst && (value as { version?: unknown }).version !== version) break;
    if (!isFirst) for (const row of value as Row[]) files.set(row[0], entryOf(row));
    isFirst = false;
    await nextSlice();
  }
  return files;
}

function* linesOf(path: string): Generator<unknown> {
  const bytes = read(path);
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1) return;
    const json = bytes.subarray(start + 9, end);
    if (bytes.toString("latin1", start, start + 8) !== checksum(json)) return;
    yield JSON.parse(json.toString());
    start = end + 1;
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return Buffer.alloc(0);
  }
}

function lineOf(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from("\n")]);
}

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

function rowOf({ file, identity, summary, checkpoint, created }: CachedFile): Row {
  const { labels } = summary;
  return [
    file,
    identity,
    summary.session_id,
    summary.status,
    summary.status_reason,
    summary.target_path,
    summary.checkpoint_time,
    summary.created_time,
    summary.generation,
    summary.revision,
    Object.keys(labels).length === 0 ? 0 : labels,
    summary.pinned ? 1 : 0,
    summary.processed_count,
    summary.pending_count,
    summary.bytes,
    checkpoint,
    created,
  ];
}

function entryOf(row: Row): CachedFile {
  const summary: SessionSummary = {
    session_id: row[2],
    status: row[3],
    status_reason: row[4],
    target_path: row[5],
    checkpoint_time: row[6],
    created_time: row[7],
    generation: row[8],
    revision: row[9],
    labels: row[10] === 0 ? noLabels : row[10],
    pinned: row[11] === 1,
    processed_count: row[12],
    pending_count: row[13],
    bytes: row[14],
  };
  return { file: row[0], identity: row[1], summary, checkpoint: row[15], created: row[16] };
}
