/**
 * The append-only log of all sessions: appends records durably, and reads them at the start. Callers that
 * wait at the same time share one write, which is durable when it returns. A new segment begins at each start
 * and when the current one is large. Segments are removed, oldest first, when base records say that the
 * session files hold everything in them.
 *
 * The room store/directory/journal/ owns the journal: records, segments, one sync for all who wait, reading
 * it at the start. It knows reports, and no session.
 */
import { join } from "node:path";
import { SessiondError } from "../../../error.ts";
import { storageError } from "../disk/durable-files.ts";
import { type Batch, newBatch } from "./batch.ts";
import { encodeFrame } from "./frame.ts";
import { type Earlier, readSegments } from "./read-segments.ts";
import { baseRecord, type JournalRecord, kinds } from "./record.ts";
import { SegmentFile, WritePace } from "./segment-file.ts";
import { Segments, type SegmentsOptions, segmentName } from "./segments.ts";

/** A segment over this size is closed and the next one begun. */
const segmentBytes = 64 * 1024 * 1024;
/** A segment that nobody needs any more is removed before that, if it is over this size. */
const leastSegmentBytes = 1024 * 1024;
/** A write that waits takes no more records once it is over this size. */
const batchBytes = 1024 * 1024;
/**
 * A write looks whether its file is still in place, unless a write of so many milliseconds ago has looked: a
 * look at a path costs a tenth of a write. What is acknowledged in between is in memory, and is saved.
 */
const lookMs = 25;

export interface JournalOptions extends SegmentsOptions {
  /** Called when a write failed that should have been durable: nothing can be acknowledged any more. */
  onFailure: (error: Error) => void;
  /**
   * Called when another program took the journal away. Returns the error for those who report, and whether
   * the journal can come back.
   */
  onLost: (why: string) => { error: SessiondError; isForGood: boolean };
  /** Why the journal's directory is no longer the one that was opened; undefined if it is. */
  whyDirectoryIsLost: () => string | undefined;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #segments: Segments;
  /** By session id, the base that could not be recorded yet. */
  readonly #owedBases = new Map<string, number>();
  readonly #pace = new WritePace();
  readonly #waiting: Batch[] = [];
  /** The sequence of the next record. */
  #sequence = 1;
  #file: SegmentFile | undefined;
  #writing: Promise<void> | undefined;
  #failure: SessiondError | undefined;
  /** When it was last seen that the file is in place, in terms of `performance.now()`. */
  #looked = Number.NEGATIVE_INFINITY;
  /** Whether all segments of earlier runs were read. */
  #isRead = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#segments = new Segments(options);
  }

  /** As `readSegments`. Call it before anything else. */
  async read(): Promise<Earlier> {
    const earlier = await readSegments(this.#segments, this.#options);
    this.#sequence = earlier.nextSequence;
    this.#isRead = true;
    return earlier;
  }

  /** How many segments wait for sessions to be written to their JSON files. */
  get closedSegments(): number {
    return this.#segments.closedCount;
  }

  /** Sessions whose reports keep the oldest closed segment from being removed. */
  sessionsInOldest(): string[] {
    return this.#segments.sessionsInOldest();
  }

  isInOldest(sessionId: string): boolean {
    return this.#segments.isInOldest(sessionId);
  }

  /** The first sequence after the oldest closed segment. */
  get endOfOldest(): number {
    return this.#segments.endOfOldest(this.#sequence);
  }

  /** The newest report of a session that a start would give back to it. */
  newestReport(sessionId: string): number | undefined {
    return this.#segments.newestReport(sessionId);
  }

  /**
   * Resolves when a report or claims are durable, and sets the sequence of the record. Records of one session
   * are in the order of the calls.
   *
   * @throws SessiondError `storage_full` (nothing was written, and later reports may succeed),
   *   `storage_failed`
   */
  append(record: JournalRecord): Promise<void> {
    return this.#wait(record);
  }

  /**
   * Records that the session's file holds every report up to a sequence, by default all that are durable;
   * also that the session is gone. Resolves when the record is durable: then a start does not give those
   * reports back, and segments that nobody needs are removed.
   *
   * @throws SessiondError `storage_full`, `storage_failed`
   */
  async advanceBase(sessionId: string, upTo = this.newestReport(sessionId)): Promise<void> {
    if (upTo === undefined || this.newestReport(sessionId) === undefined) return;
    await this.#wait(baseRecord(sessionId, upTo));
    await this.prune().catch(() => {
      // Tried again with the next base.
    });
  }

  /**
   * As `advanceBase`, but never rejects: what fails is tried again by `retryBases`. Until then a start
   * reports once more what the file holds already, which changes nothing but the revision.
   */
  async tryAdvanceBase(sessionId: string, upTo = this.newestReport(sessionId)): Promise<void> {
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

  /** Removes the oldest segments that nobody needs. */
  async prune(): Promise<void> {
    // What is in its place now may belong to somebody else.
    if (this.#failure !== undefined) return;
    await this.#segments.prune(() => this.#sequence);
  }

  /** Removes nothing if the journal could not be read, or failed. */
  async close(): Promise<void> {
    await this.#writing;
    const isSound = this.#isRead && this.#failure === undefined;
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await (isSound ? this.#end(file) : file.abandon());
    if (isSound) {
      this.#segments.closeCurrent();
      await this.prune().catch(() => {
        // A segment that stays is read once more at the next start.
      });
    }
    await this.#segments.close();
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

  async #write(): Promise<void> {
    // Callers of one turn of the event loop share a write. Where the disk is slow, they gather while it
    // writes anyway.
    if (this.#pace.isFast) await new Promise((resolve) => setImmediate(resolve));
    else await undefined;
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      try {
        await this.#writeBatch(batch.records);
        batch.resolve();
      } catch (error) {
        const failure = storageError(error);
        batch.reject(failure);
        // Records that waited came after those that failed, and must not be kept without them.
        for (const later of this.#waiting.splice(0)) later.reject(failure);
      }
    }
    this.#writing = undefined;
  }

  /**
   * What another program did to the journal, so that what it holds or will hold is not found again; undefined
   * if nothing.
   */
  whyLost(): string | undefined {
    return this.#file?.whyLost() ?? this.#segments.whyLost();
  }

  /** Another program took the journal away: nothing is acknowledged any more. */
  lose(failure: SessiondError): void {
    this.#failure ??= failure;
  }

  /**
   * Every session file holds everything. Says so in the journal that is in place, so that the next start
   * misses nothing. A journal that somebody else put there goes to quarantine: nobody else may report while
   * this process holds the lock, so what is in it is older than the files.
   */
  settle(): Promise<void> {
    return this.#segments.settle(this.#sequence);
  }

  async #writeBatch(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#assertInPlace();
    const file =
      this.#file === undefined || this.#file.size > segmentBytes ? await this.#begin() : this.#file;
    const first = this.#sequence;
    const newest = new Map<string, number>();
    for (const [index, record] of records.entries()) {
      record.sequence = first + index;
      if (record.kind !== kinds.progress) continue;
      record.link = newest.get(record.sessionId) ?? this.newestReport(record.sessionId) ?? 0;
      newest.set(record.sessionId, record.sequence);
    }
    await this.#append(file, encodeFrame(first, records), records.length);
    // Noticed meanwhile: what was written may be out of reach.
    if (this.#failure !== undefined) throw this.#failure;
    this.#sequence = first + records.length;
    this.#segments.written(records);
    if (file.size > leastSegmentBytes) await this.#retire();
  }

  #assertInPlace(): void {
    const now = performance.now();
    if (this.#file !== undefined && now - this.#looked < lookMs) return;
    const why = this.#file === undefined ? this.#options.whyDirectoryIsLost() : this.#file.whyLost();
    if (why === undefined) {
      this.#looked = now;
      return;
    }
    const { error, isForGood } = this.#options.onLost(why);
    if (isForGood) this.lose(error);
    throw error;
  }

  /** Closes the current segment if nobody needs it, so that it can be removed and makes room at once. */
  async #retire(): Promise<void> {
    const file = this.#file;
    if (!this.#segments.isCurrentFree || !file?.size) return;
    this.#file = undefined;
    await this.#end(file);
    this.#segments.closeCurrent();
  }

  /**
   * Closes the file of the last segment, whose records are durable. If the mark cannot say where it ends, the
   * room at its end stays, which tells the same.
   */
  async #end(file: SegmentFile): Promise<void> {
    try {
      await this.#segments.end(this.#sequence);
    } catch {
      await file.abandon();
      return;
    }
    await file.close().catch(() => {});
  }

  /**
   * A short or refused write is cut off again. If that fails too, or the disk failed, nothing is acknowledged
   * any more.
   */
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
    const name = segmentName(this.#sequence);
    const file = await SegmentFile.create(fs, join(directory, name), this.#pace);
    try {
      await file.prepare().catch((error: unknown) => {
        // A disk that failed in this is believed no more than one that failed in a write.
        throw storageError(error).code === "storage_full" ? error : this.#fail(error);
      });
      await files.sync(directory);
      await this.#segments.begin(name);
    } catch (error) {
      await file.abandon();
      await fs.unlink(join(directory, name));
      throw error;
    }
    const before = this.#file;
    this.#file = file;
    await before?.close();
    return file;
  }

  #fail(cause: unknown): SessiondError {
    const message = `the journal could not be written: ${(cause as Error).message}`;
    this.#failure = new SessiondError("storage_failed", message, { cause, outcome: "unknown" });
    this.#options.onFailure(this.#failure);
    return this.#failure;
  }
}
