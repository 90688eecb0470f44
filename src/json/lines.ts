/** Splits a stream of bytes into lines, such as those of NDJSON. It does not know what a line holds. */

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const nothing: Buffer = Buffer.alloc(0);

/**
 * The lines of the bytes so far. A line is a part of the bytes that were added, not a copy, unless it came in
 * several pieces: these are joined once. Empty lines are left out, and a `\r` at the end of a line is cut
 * off.
 */
export class Lines {
  /** The pieces of a line of which the end has not come. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #bytes: Buffer = nothing;
  /** Where the part of `#bytes` begins that was not read yet. */
  #at = 0;

  /** The size of the line of which the end has not come. */
  get begunBytes(): number {
    return this.#begunBytes;
  }

  /** Whether `next` must be called before more bytes can be added. */
  get isUnread(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Adds bytes. Those before must have been read. */
  add(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  /** The next line; undefined if more bytes must be added first. */
  next(): Buffer | undefined {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      const end = bytes.indexOf(lineFeed, this.#at);
      if (end === -1) {
        this.#begin(this.#at === 0 ? bytes : bytes.subarray(this.#at));
        break;
      }
      const line = this.#end(bytes, this.#at, end);
      this.#at = end + 1;
      if (line !== undefined) return line;
    }
    this.#bytes = nothing;
    this.#at = 0;
    return undefined;
  }

  /** The line that the stream ended in, if any: it may lack its last `\n`. */
  last(): Buffer | undefined {
    return this.#end(nothing, 0, 0);
  }

  #begin(piece: Buffer): void {
    this.#begun.push(piece);
    this.#begunBytes += piece.length;
  }

  #end(bytes: Buffer, from: number, end: number): Buffer | undefined {
    if (this.#begun.length > 0) return this.#join(bytes.subarray(from, end));
    const to = bytes[end - 1] === carriageReturn && end > from ? end - 1 : end;
    return to > from ? bytes.subarray(from, to) : undefined;
  }

  #join(last: Buffer): Buffer | undefined {
    this.#begin(last);
    const line = Buffer.concat(this.#begun, this.#begunBytes);
    this.#begun = [];
    this.#begunBytes = 0;
    const to = line.at(-1) === carriageReturn ? line.length - 1 : line.length;
    return to > 0 ? line.subarray(0, to) : undefined;
  }
}
