/** Writes the lines of the played daemon: whole, in odd pieces or several at once. It knows no message. */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * `whole`: a line is one write. `bytes`: each byte is a write of its own. `pieces`: a write has from 1 to 40
 * bytes, wherever that cuts a line or a character. `packed`: what is sent within 20 ms is one write.
 */
export type Manner = "whole" | "bytes" | "pieces" | "packed";

const packedMs = 20;
const longestPiece = 40;
/** Long enough for a slow worker to read what there is: half a character. */
const inCharacterMs = 5;

export class LineWriter {
  readonly #socket: Duplex;
  readonly #manner: Manner;
  #waiting: Buffer[] = [];
  #isWriting = false;
  #isEnding = false;
  /** Odd, so that the lengths of pieces repeat late. */
  #turn = 1;

  constructor(socket: Duplex, manner: Manner) {
    this.#socket = socket;
    this.#manner = manner;
  }

  write(text: string): void {
    this.#waiting.push(Buffer.from(text));
    if (this.#manner === "whole") this.#socket.write(this.#take());
    else void this.#writeAll();
  }

  /** Ends the connection when all is written. */
  end(): void {
    this.#isEnding = true;
    if (!this.#isWriting) this.#socket.end();
  }

  async #writeAll(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      if (this.#manner === "packed") await sleep(packedMs);
      const bytes = this.#take();
      for (let at = 0, end = 0; at < bytes.length && !this.#socket.destroyed; at = end) {
        end = at + this.#pieceLength(bytes.length);
        this.#socket.write(bytes.subarray(at, end));
        if (end === bytes.length) break;
        await (isInCharacter(bytes, end) ? sleep(inCharacterMs) : new Promise(setImmediate));
      }
    }
    this.#isWriting = false;
    if (this.#isEnding) this.#socket.end();
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    return bytes;
  }

  #pieceLength(most: number): number {
    if (this.#manner === "packed") return most;
    if (this.#manner === "bytes") return 1;
    this.#turn = (this.#turn * 75 + 74) % 65_537;
    return 1 + (this.#turn % longestPiece);
  }
}

/** Whether a UTF-8 character goes on at this byte. */
function isInCharacter(bytes: Buffer, at: number): boolean {
  return ((bytes[at] as number) & 0xc0) === 0x80;
}
