/** Keeps bytes until they are read again, as often as needed: in memory, and beyond a limit in a file. */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SpoolOptions {
  /** The most bytes to keep in memory. Default: 16 MiB. */
  readonly memory?: number;
  /** Where the file is made if it is needed. Default: the directory for temporary files. */
  readonly directory?: string;
}

const piece = 256 * 1024;

export class Spool {
  readonly #memory: number;
  readonly #directory: string;
  #kept: Uint8Array[] = [];
  #bytes = 0;
  #file: FileHandle | undefined;

  constructor({ memory = 16 * 1024 * 1024, directory = tmpdir() }: SpoolOptions = {}) {
    this.#memory = memory;
    this.#directory = directory;
  }

  get size(): number {
    return this.#bytes;
  }

  /** @throws the error of the system, after which the spool is not whole */
  async write(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#file === undefined) {
      this.#kept.push(bytes);
      if (this.#bytes <= this.#memory) return;
      this.#file = await openUnnamed(this.#directory);
      for (const kept of this.#kept) await this.#file.writeFile(kept);
      this.#kept = [];
    } else await this.#file.writeFile(bytes);
  }

  /** All that was written, from its beginning. */
  async *read(): AsyncGenerator<Uint8Array> {
    if (this.#file === undefined) {
      yield* this.#kept;
      return;
    }
    for (let at = 0; at < this.#bytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(piece, this.#bytes - at));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error("a temporary file was cut short");
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async close(): Promise<void> {
    this.#kept = [];
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** A file whose name is removed at once, so that nothing is left of it however the process ends. */
async function openUnnamed(directory: string): Promise<FileHandle> {
  const path = join(directory, `.sessiond-${randomBytes(8).toString("hex")}.tmp`);
  const file = await open(path, "wx+", 0o600);
  rmSync(path);
  return file;
}
