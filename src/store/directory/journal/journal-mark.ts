/**
 * Remembers where the journal begins and ends, so that segments that somebody else removed or cut short are
 * noticed: up to which sequence it was pruned, which segment was begun last, and where that ends, once it is
 * closed. The mark is written in place, because that must succeed on a full disk: removing segments makes
 * room.
 */
import { constants } from "node:fs";
import { crc32 } from "node:zlib";
import type { FileSystem, OpenFile } from "../disk/file-system.ts";

/** Pruned 8 · CRC-32 4 · last segment 8 · end 8 · CRC-32 4. The first two alone are a mark of old. */
const prunedBytes = 12;
const bytes = 32;

export interface LastSegment {
  /** The sequence that its name has. */
  first: number;
  /** The sequence after its last record; undefined while records are written to it. */
  end: number | undefined;
}

interface Marked {
  /** Records below this sequence may be gone; undefined if that is not known. */
  pruned: number | undefined;
  /** Undefined if it is not known. */
  last: LastSegment | undefined;
}

export class JournalMark {
  readonly #fs: FileSystem;
  readonly #handle: OpenFile;
  #marked: Marked;
  #writing: Promise<void> = Promise.resolve();
  /** Whether the file holds something else than a mark. */
  readonly isDamaged: boolean;
  /** Whether the file was missing, or its first write was interrupted. */
  readonly isNew: boolean;

  private constructor(fs: FileSystem, handle: OpenFile, content: Buffer) {
    this.#fs = fs;
    this.#handle = handle;
    this.#marked = decode(content);
    this.isNew = content.length < prunedBytes;
    this.isDamaged = !this.isNew && !isMark(content);
  }

  static async open(fs: FileSystem, path: string): Promise<JournalMark> {
    const handle = await fs.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o640);
    try {
      // One byte more than a mark has, so that a longer file is noticed.
      const buffer = Buffer.alloc(bytes + 1);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
      return new JournalMark(fs, handle, buffer.subarray(0, bytesRead));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get pruned(): number | undefined {
    return this.#marked.pruned;
  }

  get last(): LastSegment | undefined {
    return this.#marked.last;
  }

  /** Whether the file at a path is the one that is open here. */
  isAt(path: string): boolean {
    const [here, there] = [this.#fs.fstatSync(this.#handle.fd), this.#fs.lstatSync(path)];
    return here.ino === there?.ino && here.dev === there.dev;
  }

  /** Resolves when the change is durable. Changes are written one after another. */
  write(change: Partial<Marked>): Promise<void> {
    this.#writing = this.#writing
      .catch(() => {})
      .then(async () => {
        const marked = { ...this.#marked, ...change };
        const { bytesWritten } = await this.#handle.write(encode(marked), 0, bytes, 0);
        if (bytesWritten < bytes) throw fullDisk();
        this.#marked = marked;
      });
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    // Every write was durable when it returned, so there is nothing left that could fail.
    await this.#handle.close().catch(() => {});
  }
}

/** What is not known is written as NaN. */
function encode({ pruned = Number.NaN, last }: Marked): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeDoubleLE(pruned, 0);
  buffer.writeUInt32LE(crc32(buffer.subarray(0, 8)), 8);
  buffer.writeDoubleLE(last?.first ?? Number.NaN, 12);
  buffer.writeDoubleLE(last?.end ?? Number.NaN, 20);
  buffer.writeUInt32LE(crc32(buffer.subarray(12, 28)), 28);
  return buffer;
}

function decode(content: Buffer): Marked {
  if (!isMark(content)) return { pruned: undefined, last: undefined };
  const pruned = known(content.readDoubleLE(0));
  const first = content.length === bytes ? known(content.readDoubleLE(12)) : undefined;
  return { pruned, last: first === undefined ? undefined : { first, end: known(content.readDoubleLE(20)) } };
}

/** Of the second part, a piece may be there that an interrupted write left. */
function isMark(content: Buffer): boolean {
  if (content.length < prunedBytes || content.length > bytes) return false;
  const isWhole = crc32(content.subarray(0, 8)) === content.readUInt32LE(8);
  return isWhole && (content.length < bytes || crc32(content.subarray(12, 28)) === content.readUInt32LE(28));
}

function known(sequence: number): number | undefined {
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : undefined;
}

function fullDisk(): Error {
  return Object.assign(new Error("ENOSPC: only a part of the journal's mark was written"), {
    code: "ENOSPC",
  });
}
