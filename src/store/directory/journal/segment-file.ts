/** The file of the segment that is being written: what is appended to it is durable when the call ends. */
import { constants } from "node:fs";
import type { FileSystem, OpenFile } from "../disk/file-system.ts";

/** The file is this much longer than what is in it, with nothing there: a write that changes its length takes longer. */
const reservedBytes = 1024 * 1024;

export class SegmentFile {
  readonly #fs: FileSystem;
  readonly #handle: OpenFile;
  readonly #pace: WritePace;
  #size = 0;
  #length = 0;

  private constructor(fs: FileSystem, handle: OpenFile, pace: WritePace) {
    this.#fs = fs;
    this.#handle = handle;
    this.#pace = pace;
  }

  /** Every write is durable when it returns: O_DSYNC of open(2). @throws if there is a file of this name */
  static async create(fs: FileSystem, path: string, pace: WritePace): Promise<SegmentFile> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_DSYNC;
    return new SegmentFile(fs, await fs.open(path, flags, 0o640), pace);
  }

  /** Of what was appended. */
  get size(): number {
    return this.#size;
  }

  /** @throws with perhaps a part of it written, which `cutBack` takes away */
  async append(bytes: Buffer, { waiting }: { waiting: number }): Promise<void> {
    if (this.#size + bytes.length > this.#length) await this.#reserve(bytes.length);
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
    this.#pace.took(performance.now() - begun);
  }

  /** To what was appended as a whole. Resolves when that is durable. */
  async cutBack(): Promise<void> {
    await this.#handle.truncate(this.#size);
    this.#length = this.#size;
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    // What was reserved does no harm where that fails.
    await this.#handle.truncate(this.#size).catch(() => {});
    await this.#handle.close();
  }

  /** The length is durable with the first write that needs it. */
  async #reserve(bytes: number): Promise<void> {
    const length = this.#size + bytes + reservedBytes;
    await this.#handle.truncate(length);
    this.#length = length;
  }
}

/** The disk took less than this for the last write. */
const fastMs = 1;
const few = 16;
const smallBytes = 8 * 1024;

/** How fast the disk is just now, and how many wait for it. */
export class WritePace {
  #lastMs = 0;
  /** The most that waited for one write lately: it goes down by one with every write. */
  #crowd = 0;

  get isFast(): boolean {
    return this.#lastMs < fastMs;
  }

  /**
   * Handing a write to another thread and hearing of its end takes as long as a fast disk takes for it. So a small one is made at
   * once where few report; a slow disk never holds up the event loop for more than one. Where many report, some do so
   * while others wait for the disk, and a write that happens to be for few of them would hold up the rest.
   */
  isBestAtOnce(bytes: number, waiting: number): boolean {
    this.#crowd = Math.max(waiting, this.#crowd - 1);
    return this.isFast && this.#crowd <= few && bytes <= smallBytes;
  }

  took(ms: number): void {
    this.#lastMs = ms;
  }
}
