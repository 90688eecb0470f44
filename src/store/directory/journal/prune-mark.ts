/**
 * Remembers up to which sequence the journal was pruned, so that a segment that somebody else removed is
 * noticed. The mark is written in place, because that must succeed on a full disk: removing segments makes
 * room.
 */
import { constants } from "node:fs";
import { crc32 } from "node:zlib";
import type { FileSystem, OpenFile } from "../disk/file-system.ts";

const bytes = 12;

export class PruneMark {
  readonly #handle: OpenFile;
  /** Records below this sequence may be gone; undefined if that is not known. */
  sequence: number | undefined;

  private constructor(handle: OpenFile, sequence: number | undefined) {
    this.#handle = handle;
    this.sequence = sequence;
  }

  static async open(fs: FileSystem, path: string): Promise<PruneMark> {
    const handle = await fs.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o640);
    try {
      const buffer = Buffer.alloc(bytes);
      const { bytesRead } = await handle.read(buffer, 0, bytes, 0);
      const isWhole = bytesRead === bytes && crc32(buffer.subarray(0, 8)) === buffer.readUInt32LE(8);
      return new PruneMark(handle, isWhole ? buffer.readDoubleLE(0) : undefined);
    } catch (error) {
      await handle.close();
      throw error;
    }
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
