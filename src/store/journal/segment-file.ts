/** The file of the segment that is being written: what is appended to it is durable when the call ends. */
import { constants, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/**
 * Handing a write to another thread and hearing of its end takes as long as a fast disk takes for it. So a small one that few
 * wait for is made at once, as long as the one before it took less than this; a slow disk never holds up the event loop for
 * more than one. Where many wait, others report meanwhile.
 */
const fastMs = 1;
const few = 16;
const smallBytes = 8 * 1024;
/** The file is this much longer than what is in it, with nothing there: a write that changes its length takes longer. */
const reservedBytes = 1024 * 1024;

export class SegmentFile {
  readonly #handle: FileHandle;
  readonly #pace: WritePace;
  #size = 0;
  #length = 0;

  private constructor(handle: FileHandle, pace: WritePace) {
    this.#handle = handle;
    this.#pace = pace;
  }

  /** Every write is durable when it returns: O_DSYNC of open(2). @throws if there is a file of this name */
  static async create(path: string, pace: WritePace): Promise<SegmentFile> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_DSYNC;
    return new SegmentFile(await open(path, flags, 0o640), pace);
  }

  /** Of what was appended. */
  get size(): number {
    return this.#size;
  }

  /** @throws with perhaps a part of it written, which `cutBack` takes away */
  async append(bytes: Buffer, { waiting }: { waiting: number }): Promise<void> {
    if (this.#size + bytes.length > this.#length) await this.#reserve(bytes.length);
    const begun = performance.now();
    const atOnce = this.#pace.isFast && waiting <= few && bytes.length <= smallBytes;
    let written = 0;
    while (written < bytes.length) {
      const rest = [bytes, written, bytes.length - written, this.#size + written] as const;
      written += atOnce
        ? writeSync(this.#handle.fd, ...rest)
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

/** How fast the disk is just now. */
export class WritePace {
  #lastMs = 0;

  get isFast(): boolean {
    return this.#lastMs < fastMs;
  }

  took(ms: number): void {
    this.#lastMs = ms;
  }
}
