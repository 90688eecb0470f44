/**
 * The append-only log behind all sessions. Callers that wait at one time share one write, which is durable
 * when it returns (O_DSYNC of open(2)). Segments begin anew at each start and when they are large, and go when
 * every session in them has its changes in its JSON file.
 */
import { constants } from "node:fs";
import { type FileHandle, link, open, readdir, readFile, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SessiondError, systemErrorCode } from "../../error.ts";
import { type DurableFiles, storageError } from "../durable-file.ts";
import { decodeSegment, encodeFrame, type Replay } from "./frame.ts";
import { encodeRecord, type JournalRecord, kinds } from "./record.ts";

/** A segment over this size is closed and the next one begun. */
const segmentBytes = 64 * 1024 * 1024;

export type Append = Omit<JournalRecord, "sequence">;

interface Batch {
  records: Append[];
  done: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

interface Segment {
  name: string;
  /** By session id, the newest revision that this segment holds and the JSON file may not. */
  unsettled: Map<string, number>;
  /** Sessions with reports in it, settled or not. */
  sessions: Set<string>;
}

export interface ReplayedSegment extends Replay {
  name: string;
}

export interface JournalOptions {
  directory: string;
  files: DurableFiles;
  /** A write that should have been durable failed: nothing can be acknowledged any more. */
  onFailure: (error: Error) => void;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #closed: Segment[] = [];
  #current: Segment | undefined;
  #handle: FileHandle | undefined;
  #offset = 0;
  #sequence = 1;
  #next: Batch | undefined;
  #writing: Promise<void> | undefined;
  #failure: SessiondError | undefined;
  #bytes = 0;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Reads all segments, oldest first, and cuts the torn tail of the last one off before anything else is written. */
  async replay(onSegment: (segment: ReplayedSegment) => Promise<void> | void): Promise<void> {
    const { directory, files } = this.#options;
    const names = (await readdir(directory)).filter((name) => /^\d{16}\.log$/.test(name)).sort();
    for (const [index, name] of names.entries()) {
      const path = join(directory, name);
      const bytes = await readFile(path);
      const replay = decodeSegment(bytes, index === names.length - 1);
      if (replay.end < bytes.length) {
        await truncate(path, replay.end);
        const handle = await open(path, "r+");
        await handle.sync().finally(() => handle.close());
        await files.sync(directory);
      }
      const segment: Segment = { name, unsettled: new Map(), sessions: new Set() };
      for (const record of replay.records) {
        this.#sequence = Math.max(this.#sequence, record.sequence + 1);
        if (record.kind !== kinds.progress) continue;
        segment.unsettled.set(record.sessionId, record.revision);
        segment.sessions.add(record.sessionId);
      }
      this.#closed.push(segment);
      this.#sequence = Math.max(this.#sequence, Number(name.slice(0, 16)) + 1);
      await onSegment({ ...replay, name });
    }
  }

  /** Bytes appended since the start. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Segments that wait for sessions to be written to their JSON files. */
  get closedSegments(): number {
    return this.#closed.length;
  }

  /** Sessions that keep the oldest segment from going. */
  oldest(): string[] {
    return [...(this.#closed[0]?.unsettled.keys() ?? [])];
  }

  /**
   * Resolves when the record is durable. Records of one session are in the order of the calls.
   *
   * @throws SessiondError `storage_full` (nothing was kept, and later appends may succeed), `storage_failed`
   */
  append(record: Append): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#next ??= newBatch();
    this.#next.records.push(record);
    const { done } = this.#next;
    this.#writing ??= this.#write();
    return done;
  }

  /**
   * Everything of this session up to a revision is in its JSON file, durably. Tells whether reports of it stay in the journal
   * all the same, so that a start has to be told.
   */
  settle(sessionId: string, revision: number): boolean {
    let mayGo = true;
    let stays = false;
    for (const segment of [...this.#closed, this.#current]) {
      if (segment === undefined) continue;
      const newest = segment.unsettled.get(sessionId);
      if (newest !== undefined && newest <= revision) segment.unsettled.delete(sessionId);
      mayGo &&= segment !== this.#current && segment.unsettled.size === 0;
      stays ||= !mayGo && segment.sessions.has(sessionId);
    }
    return stays;
  }

  /** Removes the oldest segments that nothing needs, in order: a later one may explain an earlier one. */
  async prune(): Promise<void> {
    const { directory, files } = this.#options;
    let pruned = false;
    while (this.#closed[0]?.unsettled.size === 0) {
      await unlink(join(directory, (this.#closed.shift() as Segment).name));
      pruned = true;
    }
    if (pruned) await files.sync(directory);
  }

  /** Keeps a segment with damage in it for somebody to look into, also when nothing needs it any more. */
  async preserve(name: string, quarantine: string): Promise<void> {
    const kept = join(quarantine, `journal-${name}`);
    await link(join(this.#options.directory, name), kept).catch((error: unknown) => {
      if (systemErrorCode(error) !== "EEXIST") throw error;
    });
    await this.#options.files.sync(quarantine);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#handle?.close();
    this.#handle = undefined;
    if (this.#current !== undefined && this.#failure === undefined) this.#closed.push(this.#current);
    this.#current = undefined;
    await this.prune();
  }

  async #write(): Promise<void> {
    // One turn of the loop, so that callers of the same turn share the write.
    await undefined;
    while (this.#next !== undefined) {
      const batch = this.#next;
      this.#next = undefined;
      try {
        await this.#writeBatch(batch.records);
        batch.resolve();
      } catch (error) {
        const failure = storageError(error);
        batch.reject(failure);
        // What was waiting builds on what failed: its revisions follow.
        (this.#next as Batch | undefined)?.reject(failure);
        this.#next = undefined;
      }
    }
    this.#writing = undefined;
  }

  async #writeBatch(records: readonly Append[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#handle === undefined || this.#offset > segmentBytes) await this.#begin();
    const first = this.#sequence;
    const encoded = records.map((record, index) => encodeRecord({ ...record, sequence: first + index }));
    const frame = encodeFrame(first, encoded);
    await this.#writeAll(frame);
    this.#sequence = first + records.length;
    this.#offset += frame.length;
    this.#bytes += frame.length;
    const { unsettled, sessions } = this.#current as Segment;
    for (const { kind, sessionId, revision } of records) {
      if (kind !== kinds.progress) continue;
      unsettled.set(sessionId, revision);
      sessions.add(sessionId);
    }
  }

  /** A short or refused write is cut off again; if even that fails, or the disk does, nothing is believed any more. */
  async #writeAll(frame: Buffer): Promise<void> {
    const handle = this.#handle as FileHandle;
    let written = 0;
    try {
      while (written < frame.length) {
        const { bytesWritten } = await handle.write(
          frame,
          written,
          frame.length - written,
          this.#offset + written,
        );
        written += bytesWritten;
      }
    } catch (error) {
      const failure = storageError(error);
      if (failure.code !== "storage_full") throw this.#fail(error);
      try {
        await handle.truncate(this.#offset);
        await handle.datasync();
      } catch (cause) {
        throw this.#fail(cause);
      }
      throw failure;
    }
  }

  /** The new segment and its name are durable before the first record in it is acknowledged. */
  async #begin(): Promise<void> {
    const { directory, files } = this.#options;
    const name = `${String(this.#sequence).padStart(16, "0")}.log`;
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_DSYNC;
    const handle = await open(join(directory, name), flags, 0o640);
    try {
      await files.sync(directory);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await this.#handle?.close();
    if (this.#current !== undefined) this.#closed.push(this.#current);
    this.#current = { name, unsettled: new Map(), sessions: new Set() };
    this.#handle = handle;
    this.#offset = 0;
  }

  #fail(cause: unknown): SessiondError {
    const message = `the journal could not be written: ${(cause as Error).message}`;
    this.#failure = new SessiondError("storage_failed", message, { cause, outcome: "unknown" });
    this.#options.onFailure(this.#failure);
    return this.#failure;
  }
}

function newBatch(): Batch {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // A caller may have gone by the time it fails; every caller that waits still learns of it.
  done.catch(() => {});
  return { records: [], done, resolve, reject };
}
