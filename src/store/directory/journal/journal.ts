/**
 * The append-only log behind all sessions. Callers that wait at one time share one write, which is durable when it returns.
 * Segments begin anew at each start and when they are large, and go, oldest first, when base records say
 * that the session files hold everything in them.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { SessiondError, systemErrorCode } from "../../../error.ts";
import { type DurableFiles, storageError } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Batch, newBatch } from "./batch.ts";
import { decodeSegment, encodeFrame, type SegmentContents } from "./frame.ts";
import { PruneMark } from "./prune-mark.ts";
import { type JournalRecord, kinds } from "./record.ts";
import { SegmentFile, WritePace } from "./segment-file.ts";

/** A segment over this size is closed and the next one begun. */
const segmentBytes = 64 * 1024 * 1024;
/** One that nothing needs any more goes before that, if it is over this size. */
const leastSegmentBytes = 1024 * 1024;
/** Reports that come when a write of more than this waits are written after it. */
const batchBytes = 1024 * 1024;

interface Segment {
  name: string;
  /** By session id, the newest report in this segment that no base record covers. */
  needed: Map<string, number>;
}

export interface ReadSegment extends SegmentContents {
  name: string;
}

export interface JournalOptions {
  directory: string;
  fs: FileSystem;
  files: DurableFiles;
  /** A write that should have been durable failed: nothing can be acknowledged any more. */
  onFailure: (error: Error) => void;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #closed: Segment[] = [];
  /** By session id, the newest report that no base record covers. */
  readonly #newest = new Map<string, number>();
  /** By session id, the base that could not be recorded yet. */
  readonly #owedBases = new Map<string, number>();
  #mark: PruneMark | undefined;
  #current: Segment | undefined;
  #file: SegmentFile | undefined;
  readonly #pace = new WritePace();
  #sequence = 1;
  readonly #waiting: Batch[] = [];
  #writing: Promise<void> | undefined;
  #pruning: Promise<void> = Promise.resolve();
  #failure: SessiondError | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /**
   * Reads all segments, oldest first, and cuts the torn tail of the last one off before anything else is written. Resolves with
   * the sequence from which on everything should be there, or undefined if that is not known.
   */
  async readSegments(onSegment: (segment: ReadSegment) => void): Promise<number | undefined> {
    const { directory, fs, files } = this.#options;
    const names = fs.readdirSync(directory).filter(isSegment).sort();
    this.#mark = await PruneMark.open(fs, join(directory, "pruned"));
    // An empty journal begins here; of one that has segments and no mark, the beginning is not known.
    if (names.length === 0 && this.#mark.sequence === undefined) await this.#mark.write(1);
    this.#sequence = this.#mark.sequence ?? 1;
    for (const [index, name] of names.entries()) {
      const path = join(directory, name);
      const next = names[index + 1];
      const isLast = next === undefined;
      if (!isLast && this.#isPruned(sequenceOf(next))) {
        await fs.unlink(path);
        continue;
      }
      const bytes = await fs.readFile(path);
      const contents = decodeSegment(bytes, isLast);
      const end = (contents.records.at(-1)?.sequence ?? 0) + 1;
      if (contents.end === 0 || (isLast && contents.gaps.length === 0 && this.#isPruned(end))) {
        await fs.unlink(path);
        continue;
      }
      if (contents.end < bytes.length) await cut(fs, path, contents.end);
      this.#sequence = Math.max(this.#sequence, end);
      this.#closed.push({ name, needed: new Map() });
      for (const record of contents.records) this.#noteRecord(record);
      onSegment({ ...contents, name });
    }
    await files.sync(directory);
    return this.#mark.sequence;
  }

  /** Segments that wait for sessions to be written to their JSON files. */
  get closedSegments(): number {
    return this.#closed.length;
  }

  /** Sessions that keep the oldest segment from going. */
  sessionsInOldest(): string[] {
    return [...(this.#closed[0]?.needed.keys() ?? [])];
  }

  isInOldest(sessionId: string): boolean {
    return this.#closed[0]?.needed.has(sessionId) ?? false;
  }

  /** The newest report of a session that a start would give back to it. */
  newestReport(sessionId: string): number | undefined {
    return this.#newest.get(sessionId);
  }

  /**
   * Resolves when a report is durable, and its sequence set. Reports of one session are in the order of the calls.
   *
   * @throws SessiondError `storage_full` (nothing was kept, and later ones may succeed), `storage_failed`
   */
  append(report: JournalRecord): Promise<void> {
    return this.#wait(report);
  }

  /**
   * Records that the session's file holds every report up to a sequence, by default all that are durable; also that the session
   * is gone. Resolves when the record is durable: then a start does not give those reports back, and segments that nothing
   * else needs go.
   *
   * @throws SessiondError `storage_full`, `storage_failed`
   */
  async advanceBase(sessionId: string, upTo = this.#newest.get(sessionId)): Promise<void> {
    if (upTo === undefined || !this.#newest.has(sessionId)) return;
    await this.#wait(baseRecord(sessionId, upTo));
    await this.prune().catch(() => {
      // Tried again with the next one.
    });
  }

  /**
   * As `advanceBase`, but never rejects: what fails is tried again by {@link retryBases}. Until then a start reports once
   * more what the file holds already, which changes nothing but the revision.
   */
  async tryAdvanceBase(sessionId: string, upTo = this.#newest.get(sessionId)): Promise<void> {
    if (upTo === undefined) return;
    try {
      await this.advanceBase(sessionId, upTo);
    } catch {
      this.#owedBases.set(sessionId, Math.max(upTo, this.#owedBases.get(sessionId) ?? 0));
    }
  }

  /** Records the bases that could not be recorded before. Never rejects. */
  async retryBases(): Promise<void> {
    const owed = [...this.#owedBases];
    this.#owedBases.clear();
    await Promise.all(owed.map((entry) => this.tryAdvanceBase(...entry)));
  }

  /** Removes the oldest segments that nothing needs, in order: a base record may be what explains an earlier segment. */
  prune(): Promise<void> {
    this.#pruning = this.#pruning.catch(() => {}).then(() => this.#prune());
    return this.#pruning;
  }

  /** Keeps a segment with damage in it for somebody to look into, also when nothing needs it any more. */
  async preserve(name: string, quarantine: string): Promise<void> {
    const segment = join(this.#options.directory, name);
    const kept = join(quarantine, `journal-${name}`);
    const { fs, files } = this.#options;
    try {
      fs.linkSync(segment, kept);
    } catch (error) {
      // Not every file system has hard links.
      if (systemErrorCode(error) !== "EEXIST") await fs.writeSynced(kept, await fs.readFile(segment), 0o640);
    }
    await files.sync(quarantine);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
    if (this.#current !== undefined && this.#failure === undefined) this.#closed.push(this.#current);
    this.#current = undefined;
    await this.prune().catch(() => {
      // What stays is read once more at the next start.
    });
    await this.#mark?.close();
  }

  #wait(record: JournalRecord): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    let batch = this.#waiting.at(-1);
    if (batch === undefined || batch.bytes > batchBytes) {
      batch = newBatch();
      this.#waiting.push(batch);
    }
    batch.records.push(record);
    batch.bytes += record.payload.length;
    this.#writing ??= this.#write();
    return batch.done;
  }

  /** Whether everything before a sequence was pruned, also where removing it failed. */
  #isPruned(sequence: number): boolean {
    const mark = this.#mark?.sequence;
    return mark !== undefined && sequence <= mark;
  }

  #noteRecord({ kind, sessionId, sequence, link }: JournalRecord): void {
    if (kind === kinds.base) {
      this.#applyBase(sessionId, link);
      return;
    }
    this.#closed.at(-1)?.needed.set(sessionId, sequence);
    this.#newest.set(sessionId, sequence);
  }

  async #prune(): Promise<void> {
    const { directory, fs, files } = this.#options;
    let count = 0;
    while (this.#closed[count]?.needed.size === 0) count++;
    if (count === 0) return;
    const first = (this.#closed[count] ?? this.#current)?.name;
    await this.#mark?.write(first === undefined ? this.#sequence : sequenceOf(first));
    for (; count > 0; count--) {
      await fs.unlink(join(directory, this.#closed[0]?.name as string)).catch(ignoreMissing);
      this.#closed.shift();
    }
    await files.sync(directory);
  }

  async #write(): Promise<void> {
    // Callers of the same turn of the event loop share the write. While a slow disk writes, the next ones gather anyway.
    if (this.#pace.isFast) await new Promise((resolve) => setImmediate(resolve));
    else await undefined;
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      try {
        await this.#writeBatch(batch.records);
        batch.resolve();
      } catch (error) {
        const failure = storageError(error);
        batch.reject(failure);
        // What was waiting came after what failed, and must not be kept without it.
        for (const later of this.#waiting.splice(0)) later.reject(failure);
      }
    }
    this.#writing = undefined;
  }

  async #writeBatch(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const file =
      this.#file === undefined || this.#file.size > segmentBytes ? await this.#begin() : this.#file;
    const first = this.#sequence;
    const newest = new Map<string, number>();
    for (const [index, record] of records.entries()) {
      record.sequence = first + index;
      if (record.kind === kinds.base) continue;
      record.link = newest.get(record.sessionId) ?? this.#newest.get(record.sessionId) ?? 0;
      newest.set(record.sessionId, record.sequence);
    }
    await this.#append(file, encodeFrame(first, records), records.length);
    this.#sequence = first + records.length;
    const { needed } = this.#current as Segment;
    for (const { kind, sessionId, sequence, link } of records) {
      if (kind === kinds.base) {
        this.#applyBase(sessionId, link);
        continue;
      }
      needed.set(sessionId, sequence);
      this.#newest.set(sessionId, sequence);
    }
    if (file.size > leastSegmentBytes) await this.#retire();
  }

  /** Lets go of a segment that nothing needs, so that it makes room at once. */
  async #retire(): Promise<void> {
    const file = this.#file;
    if (this.#current === undefined || this.#current.needed.size > 0 || !file?.size) return;
    this.#closed.push(this.#current);
    this.#current = undefined;
    this.#file = undefined;
    // What it holds is durable.
    await file.close().catch(() => {});
  }

  #applyBase(sessionId: string, upTo: number): void {
    if ((this.#newest.get(sessionId) ?? 0) <= upTo) this.#newest.delete(sessionId);
    for (const segment of [...this.#closed, this.#current]) {
      const newest = segment?.needed.get(sessionId);
      if (newest !== undefined && newest <= upTo) segment?.needed.delete(sessionId);
    }
  }

  /** A short or refused write is cut off again; if even that fails, or the disk does, nothing is believed any more. */
  async #append(file: SegmentFile, frame: Buffer, waiting: number): Promise<void> {
    try {
      await file.append(frame, { waiting });
    } catch (error) {
      const failure = storageError(error);
      if (failure.code !== "storage_full") throw this.#fail(error);
      try {
        await file.cutBack();
      } catch (cause) {
        throw this.#fail(cause);
      }
      await this.#retire();
      void this.prune().catch(() => {});
      throw failure;
    }
  }

  /** The new segment and its name are durable before the first record in it is acknowledged. */
  async #begin(): Promise<SegmentFile> {
    const { directory, fs, files } = this.#options;
    const name = `${String(this.#sequence).padStart(16, "0")}.log`;
    const file = await SegmentFile.create(fs, join(directory, name), this.#pace);
    try {
      await files.sync(directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close();
    if (this.#current !== undefined) this.#closed.push(this.#current);
    this.#current = { name, needed: new Map() };
    this.#file = file;
    return file;
  }

  #fail(cause: unknown): SessiondError {
    const message = `the journal could not be written: ${(cause as Error).message}`;
    this.#failure = new SessiondError("storage_failed", message, { cause, outcome: "unknown" });
    this.#options.onFailure(this.#failure);
    return this.#failure;
  }
}

function isSegment(name: string): boolean {
  return /^\d{16}\.log$/.test(name) && Number.isSafeInteger(sequenceOf(name));
}

/** The first sequence that a segment may hold. */
function sequenceOf(name: string): number {
  return Number(name.slice(0, 16));
}

function ignoreMissing(error: unknown): void {
  if (systemErrorCode(error) !== "ENOENT") throw error;
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

const nothing = Buffer.alloc(0);

function baseRecord(sessionId: string, upTo: number): JournalRecord {
  const kind = kinds.base;
  return { sequence: 0, kind, sessionId, generation: 0n, link: upTo, revision: 0, time: 0, payload: nothing };
}
