/** Splits what a worker sends into lines, and finds bytes that are no UTF-8. It knows no message. */

const newline = 0x0a;

/** A line without its end; `text` is undefined if the bytes are no UTF-8. */
export interface Line {
  readonly bytes: Buffer;
  readonly text: string | undefined;
}

export class LineReader {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #parts: Buffer[] = [];

  /** Whether the last line has no end yet. */
  get isInLine(): boolean {
    return this.#parts.length > 0;
  }

  /** The lines that this chunk completes, without empty ones. */
  take(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const bytes = Buffer.concat([...this.#parts, chunk.subarray(start, end)]);
      this.#parts = [];
      start = end + 1;
      const text = this.#decode(bytes);
      if (text === undefined || text.trim() !== "") lines.push({ bytes, text });
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start));
    return lines;
  }

  #decode(bytes: Buffer): string | undefined {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return undefined;
    }
  }
}
