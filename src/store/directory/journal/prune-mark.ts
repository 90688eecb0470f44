/**
 * Up to where the journal was pruned, so that a segment that somebody else took away is missed. Written in place, because it
 * must succeed on a full disk: removing segments makes room.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";

const bytes = 12;

export class PruneMark {
  readonly #handle: FileHandle;
  /** Sequences below this may be gone; undefined if nothing is known. */
  sequence: number | undefined;

  private constructor(handle: FileHandle, sequence: number | undefined) {
    this.#handle = handle;
    this.sequence = sequence;
  }

  static async open(path: string): Promise<PruneMark> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o640);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0);
    const isWhole = bytesRead === bytes && crc32(buffer.subarray(0, 8)) === buffer.readUInt32LE(8);
    return new PruneMark(handle, isWhole ? buffer.readDoubleLE(0) : undefined);
  }

  async write(sequence: number): Promise<void> {
    const buffer = Buffer.alloc(bytes);
    buffer.writeDoubleLE(sequence, 0);
    buffer.writeUInt32LE(crc32(buffer.subarray(0, 8)), 8);
    await this.#handle.write(buffer, 0, bytes, 0);
    this.sequence = sequence;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
