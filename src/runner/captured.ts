/** Keeps the output of a command within a limit: all of it, or its beginning and its end. */

export interface Output {
  readonly bytes: Buffer;
  /** Bytes that the command wrote. */
  readonly total: number;
  readonly truncated: boolean;
}

export class Captured {
  readonly #headLimit: number;
  readonly #tailLimit: number;
  readonly #head: Buffer[] = [];
  #headSize = 0;
  #tail: Buffer[] = [];
  #tailSize = 0;
  #total = 0;

  /** @param limit the most bytes to keep */
  constructor(limit: number) {
    this.#tailLimit = Math.floor(limit / 2);
    this.#headLimit = limit - this.#tailLimit;
  }

  push(chunk: Buffer): void {
    this.#total += chunk.length;
    const room = this.#headLimit - this.#headSize;
    if (room > 0) {
      this.#head.push(chunk.subarray(0, room));
      this.#headSize += Math.min(room, chunk.length);
    }
    if (chunk.length > room) this.#pushTail(chunk.subarray(Math.max(0, room)));
  }

  #pushTail(chunk: Buffer): void {
    this.#tail.push(chunk);
    this.#tailSize += chunk.length;
    let dropped = 0;
    while (
      this.#tailSize - (this.#tail[dropped]?.length ?? 0) >= this.#tailLimit &&
      dropped < this.#tail.length
    ) {
      this.#tailSize -= (this.#tail[dropped++] as Buffer).length;
    }
    if (dropped > 0) this.#tail = this.#tail.slice(dropped);
    // Many small buffers would take more memory than their content.
    if (this.#tail.length > 1024) this.#tail = [Buffer.concat(this.#tail)];
  }

  output(): Output {
    const tail = Buffer.concat(this.#tail);
    const end = tail.subarray(Math.max(0, tail.length - this.#tailLimit));
    return joined(Buffer.concat(this.#head), end, this.#total);
  }
}

/**
 * Joins the beginning and the end of an output of `total` bytes, with a note of how much is missing between.
 */
export function joined(head: Buffer, tail: Buffer, total: number): Output {
  const left = total - head.length - tail.length;
  if (left === 0) return { bytes: Buffer.concat([head, tail]), total, truncated: false };
  const gap = Buffer.from(`\n… ${left} bytes left out …\n`);
  return { bytes: Buffer.concat([head, gap, tail]), total, truncated: true };
}
