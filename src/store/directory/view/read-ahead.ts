/**
 * Reads large files that other programs changed in slices, before the look that takes them in. A look itself
 * is synchronous, so that nothing comes between what it finds and what it does.
 */
import { join } from "node:path";
import { UnreadableError } from "../../document/decode-session.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { type Document, readInSlices } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-file.ts";

/** A smaller file is read by the look, which takes a few milliseconds. */
export const largeFile = 256 * 1024;

interface Read {
  state: Identity;
  outcome: { document: Document | undefined } | { error: UnreadableError };
}

export class ReadAhead {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #read = new Map<string, Read>();

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
  }

  has(file: string, state: Identity): boolean {
    return this.#read.get(file)?.state === state;
  }

  /** Reads a file that is in this state now. */
  async read(file: string, state: Identity): Promise<void> {
    try {
      const document = await readInSlices(this.#fs, join(this.#directory, file));
      this.#read.set(file, { state, outcome: { document } });
    } catch (error) {
      // The look meets any other error again.
      if (error instanceof UnreadableError) this.#read.set(file, { state, outcome: { error } });
    }
  }

  /** What was read of a file in this state; undefined if nothing was. @throws UnreadableError */
  take(file: string, state: Identity): { document: Document | undefined } | undefined {
    const read = this.#read.get(file);
    this.#read.delete(file);
    if (read?.state !== state) return undefined;
    if ("error" in read.outcome) throw read.outcome.error;
    return read.outcome;
  }

  drop(file: string): void {
    this.#read.delete(file);
  }
}
