/**
 * The file of the segment that is being written. It is open with O_DSYNC: what is appended is durable when
 * the call ends, without a separate sync.
 */
import { type BigIntStats, constants } from "node:fs";
import type { FileSystem, OpenFile } from "../disk/file-system.ts";

/**
 * The file is made this much longer than its contents, filled with zeros: a write that changes the length
 * takes longer. Room is left at the end until the file is closed.
 */
const reservedBytes = 1024 * 1024;
/** So many bytes at the end of what was written tell whether another program has written over them. */
const comparedBytes = 16;

export class SegmentFile {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #handle: OpenFile;
  readonly #pace: WritePace;
  readonly #inode: bigint;
  readonly #device: bigint;
  #size = 0;
  #length = 0;
  /** The last bytes that were appended, and those that were the last at the look before. */
  #ending = { at: 0, bytes: new Uint8Array() };
  #compared = this.#ending;
  /** Whether its length is being changed just now. */
  #isResizing = false;

  private constructor(fs: FileSystem, path: string, handle: OpenFile, pace: WritePace) {
    this.#fs = fs;
    this.#path = path;
    this.#handle = handle;
    this.#pace = pace;
    const { ino, dev } = fs.fstatSync(handle.fd);
    this.#inode = ino;
    this.#device = dev;
  }

  /**
   * With O_DSYNC of open(2), every write is durable when it returns. Call `prepare` before the first one.
   *
   * @throws EEXIST if there is a file of this name
   */
  static async create(fs: FileSystem, path: string, pace: WritePace): Promise<SegmentFile> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_DSYNC;
    return new SegmentFile(fs, path, await fs.open(path, flags, 0o640), pace);
  }

  /**
   * Reserves room. It is durable when this resolves: from then on a segment without room at its end was cut
   * short by somebody else.
   */
  async prepare(): Promise<void> {
    await this.#reserve(0);
    await this.#handle.datasync();
  }

  /**
   * What another program did to the file, so that what is written to it would not be found again; undefined
   * if nothing. One look at the path sees also that a directory above was moved or replaced.
   */
  whyLost(): string | undefined {
    let stats: BigIntStats | undefined;
    try {
      stats = this.#fs.lstatSync(this.#path);
    } catch (error) {
      return `${this.#path} cannot be looked at: ${(error as Error).message}`;
    }
    if (stats === undefined) return `${this.#path} was taken away by another program`;
    if (stats.ino !== this.#inode || stats.dev !== this.#device)
      return `${this.#path} was replaced by another program with another file`;
    const length = BigInt(this.#isResizing ? this.#size : this.#length);
    if (stats.size < length) return `${this.#path} was cut short by another program`;
    return this.#whyChanged();
  }

  /** A copy that was written over the file has the same identity, and perhaps the same length. */
  #whyChanged(): string | undefined {
    const { at, bytes } = this.#compared;
    const found = new Uint8Array(bytes.length);
    try {
      this.#fs.readSync(this.#handle.fd, found, 0, found.length, at);
    } catch (error) {
      return `${this.#path} cannot be read: ${(error as Error).message}`;
    }
    if (Buffer.compare(found, bytes) !== 0) return `${this.#path} was overwritten by another program`;
    // What is written after the copy would be there in any case.
    this.#compared = this.#ending;
    return undefined;
  }

  /** Bytes that were appended. */
  get size(): number {
    return this.#size;
  }

  /**
   * If it rejects, a part of the bytes may have been written, which `cutBack` removes. `waiting` callers wait
   * for the write.
   */
  async append(bytes: Buffer, { waiting }: { waiting: number }): Promise<void> {
    if (this.#size + bytes.length >= this.#length) await this.#reserve(bytes.length);
    const begun = performance.now();
    const atOnce = this.#pace.isBestAtOnce(bytes.length, waiting);
    let written = 0;
    while (written < bytes.length) {
      const rest = [bytes, written, bytes.length - written, this.#size + written] as const;
      written += atOnce
        ? this.#fs.writeSync(this.#handle.fd, ...rest)
        : (await this.#handle.write(...rest)).bytesWritten;
    }
    this.#size += bytes.length;
    // A copy, because the batch is large and need not stay in memory.
    const ending = Uint8Array.from(bytes.subarray(-comparedBytes));
    this.#ending = { at: this.#size - ending.length, bytes: ending };
    this.#pace.took(performance.now() - begun);
  }

  /** Removes what an `append` that failed has written. Resolves when that is durable. */
  async cutBack(): Promise<void> {
    await this.#resize(this.#size);
    // Where files must not grow any more, there is no room.
    await this.#reserve(0).catch(() => {});
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    // If that fails, zeros stay at the end, which do no harm.
    await this.#resize(this.#size).catch(() => {});
    await this.#handle.close();
  }

  /** As `close`, but leaves the room at the end. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
  }

  /** Makes the file longer. The new length is durable with the first write that needs it. */
  async #reserve(bytes: number): Promise<void> {
    await this.#resize(this.#size + bytes + reservedBytes);
  }

  async #resize(length: number): Promise<void> {
    this.#isResizing = true;
    try {
      await this.#handle.truncate(length);
      this.#length = length;
    } finally {
      this.#isResizing = false;
    }
  }
}

/** A disk that took less than this for the last write is fast. */
const fastMs = 1;
/** So many callers that wait for one write are few. */
const few = 16;
/** A write up to this size is small. */
const smallBytes = 8 * 1024;

/**
 * How fast the disk is just now, and how many callers wait for it: whether to write on the main thread or in
 * the pool.
 */
export class WritePace {
  #lastMs = 0;
  /** The most callers that waited for one write lately; it goes down by one with every write. */
  #crowd = 0;

  get isFast(): boolean {
    return this.#lastMs < fastMs;
  }

  /**
   * Whether to write on the main thread. Handing a write to another thread and back takes as long as the
   * write itself on a fast disk. So a small write is made at once where few callers report; a disk that
   * becomes slow holds up the event loop for one write only. Where many report, some do so while others wait
   * for the disk, and a write on the main thread would hold them up.
   */
  isBestAtOnce(bytes: number, waiting: number): boolean {
    this.#crowd = Math.max(waiting, this.#crowd - 1);
    return this.isFast && this.#crowd <= few && bytes <= smallBytes;
  }

  took(ms: number): void {
    this.#lastMs = ms;
  }
}
