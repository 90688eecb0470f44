/** The files of a loop over a whole session: those that are pending, and which of them is next. */
import type { LoopSource } from "./loop-source.ts";

export interface LoopFilesOptions {
  readonly isPending: (file: string) => boolean;
  /** The pending files. */
  readonly pending: readonly string[];
  /** Called when the loop has ended: it need not be told any more. */
  readonly ended: () => void;
}

export class LoopFiles implements LoopSource {
  readonly #isPending: (file: string) => boolean;
  readonly #ended: () => void;
  #queue: readonly string[];
  #position = 0;
  /** The pending files on which the loop is working or has worked. */
  readonly #taken = new Set<string>();
  /** Files that were refused: they come after the others, in this order. */
  readonly #deferred = new Set<string>();

  constructor({ isPending, pending, ended }: LoopFilesOptions) {
    this.#isPending = isPending;
    this.#queue = pending;
    this.#ended = ended;
  }

  /** Whether no file is left to take. */
  get isThrough(): boolean {
    return !this.isFreshLeft && this.#deferred.size === 0;
  }

  /** Whether files are left that were not refused. */
  get isFreshLeft(): boolean {
    return this.#position < this.#queue.length;
  }

  /** Takes the next file; undefined if none is left. */
  next(): string | undefined {
    while (this.#position < this.#queue.length) {
      const file = this.#queue[this.#position++] as string;
      if (!this.#deferred.has(file) && this.#take(file)) return file;
    }
    for (const file of this.#deferred) {
      this.#deferred.delete(file);
      if (this.#take(file)) return file;
    }
    return undefined;
  }

  /** Files were added to the pending ones. */
  add(files: readonly string[]): void {
    this.#queue = [...this.#queue.slice(this.#position), ...files];
    this.#position = 0;
  }

  /** The whole list of pending files is another one. */
  replace(files: readonly string[]): void {
    this.#queue = files;
    this.#position = 0;
  }

  /** A taken file was refused, and comes again after the others. */
  defer(file: string): void {
    this.#taken.delete(file);
    this.#deferred.add(file);
  }

  ended(): void {}

  /** The report of a taken file is durable. */
  reported(file: string): void {
    this.#taken.delete(file);
  }

  /** The file stays taken, so that the loop does not come to it again. */
  failed(): void {}

  /** All pending files are here already. */
  need(): void {}

  end(): void {
    this.#ended();
  }

  #take(file: string): boolean {
    if (this.#taken.has(file) || !this.#isPending(file)) return false;
    this.#taken.add(file);
    return true;
  }
}
