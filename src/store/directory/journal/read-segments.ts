/**
 * Reads the segments that earlier runs left, and tells a write that was interrupted from damage. Keeps what
 * it does not understand in quarantine, and removes only what it knows not to be needed.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { SessiondError } from "../../../error.ts";
import { shellQuote } from "../../../text/shell-quote.ts";
import { storageError } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { decodeSegment, type SegmentContents } from "./frame.ts";
import { type Segments, type SegmentsOptions, segmentName, sequenceOf } from "./segments.ts";

/**
 * A segment is closed once it is over 64 MiB, and a report of 64 MiB may come on top: no segment has more.
 */
const mostSegmentBytes = 1024 * 1024 * 1024;

export interface ReadSegment extends SegmentContents {
  name: string;
  /** The sequence of the first record that it may hold. */
  first: number;
  /** Name of what was kept of it in quarantine, if it is damaged or its tail was torn. */
  kept: string | undefined;
}

/** What the journal as a whole should hold. */
export interface Extent {
  /** The sequence from which on every record should be there; undefined if that is not known. */
  first: number | undefined;
  /** The sequence after the last record that should be there; undefined if that is not known. */
  end: number | undefined;
  /** A segment that somebody else cut short or took away, with records that nobody can count. */
  lost: { name: string; isThere: boolean } | undefined;
  /** Whether somebody else took away the journal, so that nobody knows what should be there. */
  isMarkMissing: boolean;
}

/** What earlier runs left. */
export interface Earlier {
  /** Oldest first. */
  segments: ReadSegment[];
  extent: Extent;
  /** The sequence of the next record. */
  nextSequence: number;
}

/**
 * Reads all segments. A torn tail is kept in quarantine and cut off before anything else is written. A
 * damaged segment is kept in quarantine as well, and stays as it is.
 *
 * @throws SessiondError `storage_failed` for a segment that cannot be read, saying what to do
 */
export async function readSegments(known: Segments, options: SegmentsOptions): Promise<Earlier> {
  const { directory, fs, files } = options;
  const names = await known.list();
  const segments: ReadSegment[] = [];
  let nextSequence = known.firstSequence ?? 1;
  const changes: (() => Promise<void>)[] = [];
  for (const [index, name] of names.entries()) {
    const path = join(directory, name);
    const next = names[index + 1];
    const following = next === undefined ? undefined : sequenceOf(next);
    if (isPruned(known, sequenceOf(name), following) && fs.lstatSync(path)?.isFile()) {
      changes.push(() => fs.unlink(path));
      continue;
    }
    const first = sequenceOf(name);
    const contents = decodeSegment(await readSegment(options, name), first, following);
    const { records, damaged, gaps, tail, end } = contents;
    const isDamaged = damaged.length + gaps.length > 0 || tail?.isTorn === false;
    const kept = await keep(options, name, contents, isDamaged);
    nextSequence = Math.max(nextSequence, contents.nextSequence);
    const isFree = records.length === 0 || (next === undefined && known.isPruned(contents.nextSequence));
    if (isFree && !isDamaged) changes.push(() => fs.unlink(path));
    else {
      if (!isDamaged && kept?.isWhole !== true) changes.push(() => cut(fs, path, end));
      known.addClosed(name, records);
    }
    segments.push({ ...contents, name, first, kept: kept?.name });
  }
  const extent = extentOf(known, segments.at(-1));
  nextSequence = Math.max(nextSequence, extent.end ?? 0);
  // The mark comes first: it says that a segment without room at its end is whole.
  await known.end(nextSequence);
  for (const change of changes) await change();
  await files.sync(directory);
  return { segments, extent, nextSequence };
}

/** Whether nothing in a segment is needed, given the first sequence of the next segment if there is one. */
function isPruned(known: Segments, first: number, following: number | undefined): boolean {
  const end = following ?? known.last?.end;
  return end !== undefined && first < end && known.isPruned(end);
}

function extentOf(known: Segments, last: ReadSegment | undefined): Extent {
  const { firstSequence: first, last: marked, isMarkMissing } = known;
  const extent = { first, end: marked?.end, lost: undefined, isMarkMissing };
  if (marked === undefined || marked.end !== undefined) return extent;
  const name = segmentName(marked.first);
  // A later segment, in which nothing was acknowledged yet, begins where this one should end.
  if (last !== undefined && last.first > marked.first) return extent;
  if (last?.name === name) return last.hasRoom ? extent : { ...extent, lost: { name, isThere: true } };
  return known.isPruned(marked.first + 1) ? extent : { ...extent, lost: { name, isThere: false } };
}

/** Keeps what is damaged or torn in quarantine. A torn tail is little; a damaged segment is kept whole. */
async function keep(
  { directory, fs, quarantine }: SegmentsOptions,
  name: string,
  { tail }: SegmentContents,
  isDamaged: boolean,
): Promise<{ name: string; isWhole: boolean } | undefined> {
  const path = join(directory, name);
  if (!isDamaged && tail === undefined) return undefined;
  if (!isDamaged && tail !== undefined) {
    const kept = `journal-${name}-bytes-${tail.from}-${tail.to}.torn`;
    try {
      quarantine.keepBytes(kept, (await fs.readFile(path)).subarray(tail.from, tail.to));
      return { name: kept, isWhole: false };
    } catch (error) {
      // On a full disk there is room for a second name.
      if (storageError(error).code !== "storage_full") throw error;
    }
  }
  const kept = `journal-${name}`;
  await quarantine.keepFile(path, kept);
  return { name: kept, isWhole: true };
}

async function cut(fs: FileSystem, path: string, end: number): Promise<void> {
  const file = await fs.open(path, constants.O_RDWR);
  try {
    await file.truncate(end);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readSegment({ directory, fs, quarantine }: SegmentsOptions, name: string): Promise<Buffer> {
  const path = join(directory, name);
  const stats = fs.lstatSync(path);
  try {
    if (!stats?.isFile()) throw new Error("it is not a regular file");
    if (stats.size > mostSegmentBytes) throw new Error("it is larger than any segment");
    return await fs.readFile(path);
  } catch (error) {
    const aside = quarantine.pathOf(`journal-${name}`);
    throw new SessiondError(
      "storage_failed",
      `${path}, a segment of the journal, cannot be read: ${(error as Error).message}; it may hold reports ` +
        "that were acknowledged. Put that right (give the file to the user that sessiond runs as, or put " +
        "the file back from a backup of the disk) and start sessiond again. To start without these reports: " +
        `mv ${shellQuote(path)} ${shellQuote(aside)}`,
      { cause: error },
    );
  }
}
