/**
 * Encodes and decodes the saved index: what the index knew of each file when it was last saved, so that a
 * start need not read files that have not changed. The index is derived: entries that cannot be believed are
 * left out, and their files are read.
 *
 * Each group of rows is one line: the CRC-32 of its JSON, then the JSON.
 */
import { crc32 } from "node:zlib";
import { yieldIfDue } from "../../../async/slices.ts";
import { systemErrorCode } from "../../../error.ts";
import { type SessionSummary, type Status, statuses } from "../../../session/session.ts";
import type { Micros } from "../../../time/clock.ts";
import type { IndexEntry } from "../../session-order.ts";
import type { FileSystem } from "../disk/file-system.ts";
import type { Identity } from "../disk/session-file.ts";

/** An index of another version has other rows, and is not read. */
const version = 1;
const rowsPerLine = 1000;
const noLabels = Object.freeze({});

/** A session's file, the state in which it was read, and its entry in the index. */
export interface SavedFile {
  file: string;
  identity: Identity;
  entry: IndexEntry;
}

/**
 * What is common takes no room: 0 stands for a file that is named after its id, for no labels, and for a
 * creation at the time of the checkpoint.
 */
type Row = [
  session_id: string,
  file: string | 0,
  identity: Identity,
  checkpoint_time: string,
  checkpoint: Micros,
  created_time: string | null | 0,
  created: Micros | 0,
  status: number,
  status_reason: string | null,
  target_path: string,
  generation: string | null,
  revision: number,
  processed_count: number,
  pending_count: number,
  bytes: number,
  pinned: boolean | 0,
  labels: SessionSummary["labels"] | 0,
];

export async function encodeSavedIndex(entries: Iterable<SavedFile>): Promise<Buffer> {
  const lines = [lineOf({ version })];
  let rows: Row[] = [];
  for (const entry of entries) {
    rows.push(rowOf(entry));
    if (rows.length < rowsPerLine) continue;
    lines.push(lineOf(rows));
    rows = [];
    await yieldIfDue();
  }
  if (rows.length > 0) lines.push(lineOf(rows));
  return Buffer.concat(lines);
}

/**
 * Reads a group at a time. Yields nothing if there is no saved index, or one of another version. `onDamage`
 * is told, once, why the rest of it is of no use.
 */
export async function* readSavedIndex(
  fs: FileSystem,
  path: string,
  onDamage: (why: string) => void,
): AsyncGenerator<SavedFile[]> {
  const bytes = await read(fs, path, onDamage);
  if (bytes === undefined) return;
  try {
    const lines = linesOf(bytes);
    const head = lines.next().value as { version?: unknown } | undefined;
    if (head === undefined) throw new Error("it is empty");
    if (head.version !== version) return;
    for (const rows of lines) yield (rows as Row[]).map(entryOf);
  } catch (error) {
    onDamage((error as Error).message);
  }
}

function* linesOf(bytes: Buffer): Generator<unknown> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const json = bytes.subarray(start + 9, Math.max(start + 9, end));
    if (end === -1 || bytes.toString("latin1", start, start + 8) !== checksum(json))
      throw new Error(`the checksum at byte ${start} does not match`);
    yield JSON.parse(json.toString());
    start = end + 1;
  }
}

async function read(
  fs: FileSystem,
  path: string,
  onDamage: (why: string) => void,
): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    if (code !== "ENOENT") onDamage((error as Error).message);
    return undefined;
  }
}

function lineOf(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from("\n")]);
}

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

function rowOf({ file, identity, entry: { summary, checkpoint, created } }: SavedFile): Row {
  const { session_id, created_time, labels } = summary;
  const isFresh = created_time === summary.checkpoint_time;
  return [
    session_id,
    file === `${session_id}.json` ? 0 : file,
    identity,
    summary.checkpoint_time,
    checkpoint,
    isFresh ? 0 : created_time,
    isFresh ? 0 : created,
    statuses.indexOf(summary.status),
    summary.status_reason,
    summary.target_path,
    summary.generation,
    summary.revision,
    summary.processed_count,
    summary.pending_count,
    summary.bytes,
    summary.pinned || 0,
    Object.keys(labels).length === 0 ? 0 : labels,
  ];
}

function entryOf(row: Row): SavedFile {
  const [session_id, file, identity, checkpoint_time, checkpoint, created_time, created] = row;
  const summary: SessionSummary = {
    session_id,
    status: statuses[row[7]] as Status,
    status_reason: row[8],
    target_path: shared(row[9]),
    checkpoint_time,
    created_time: created_time === 0 ? checkpoint_time : created_time,
    generation: row[10],
    revision: row[11],
    labels: row[16] === 0 ? noLabels : row[16],
    pinned: row[15] === true,
    processed_count: row[12],
    pending_count: row[13],
    bytes: row[14],
  };
  const entry = { summary, checkpoint, created: created_time === 0 ? checkpoint : created };
  return { file: file === 0 ? `${session_id}.json` : file, identity, entry };
}

/** Many sessions share few targets: each text is in memory once. */
const targets = new Map<string, string>();
const manyTargets = 1000;

function shared(target: string): string {
  const known = targets.get(target);
  if (known !== undefined) return known;
  if (targets.size < manyTargets) targets.set(target, target);
  return target;
}
