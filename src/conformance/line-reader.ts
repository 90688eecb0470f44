/** The lines that a worker sends, and which of them are no UTF-8. It knows no message. */
import { Lines } from "../json/lines.ts";

/** A line without its end; `text` is undefined if the bytes are no UTF-8. */
export interface Line {
  readonly bytes: Buffer;
  readonly text: string | undefined;
}

export class LineReader {
  readonly #lines = new Lines();
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** Whether the last line has no end yet. */
  get isInLine(): boolean {
    return this.#lines.begunBytes > 0;
  }

  /** The lines that this chunk completes, without empty ones. */
  take(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    this.#lines.add(chunk);
    for (let bytes = this.#lines.next(); bytes !== undefined; bytes = this.#lines.next()) {
      lines.push({ bytes, text: this.#decode(bytes) });
    }
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
