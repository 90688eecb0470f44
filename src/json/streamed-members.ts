/** Splits a large JSON object that comes in pieces into its members, and those of one object in it. */
import { JsonError } from "./exact-json.ts";
import { backslash, closeBrace, closeBracket, comma, openBrace, openBracket, quote } from "./syntax-bytes.ts";

/** A member as text, `"key": value`, perhaps with white space around it. */
export interface MemberText {
  /** Whether it is a member of the inner object. */
  readonly isInner: boolean;
  readonly text: string;
}

/**
 * The members of the outermost object, in their order. In place of the one with the key `inner`, if it is an
 * object, come that object's own members. Several are given at once, as they come.
 *
 * Only the brackets are looked at: who takes the members parses them.
 *
 * @throws JsonError if the text is no object or ends early
 */
export async function* streamedMembers(
  pieces: AsyncIterable<Uint8Array>,
  inner: string,
): AsyncGenerator<MemberText[]> {
  const splitter = new MemberSplitter(inner);
  for await (const piece of pieces) {
    const members = splitter.take(piece);
    if (members.length > 0) yield members;
  }
  if (!splitter.isAtEnd) throw new JsonError("Unexpected end of JSON input");
}

class MemberSplitter {
  readonly #inner: string;
  #level = 0;
  /** The level at which a comma ends a member: 1, or 2 within the inner object. */
  #memberLevel = 1;
  #inString = false;
  /** Whether the byte before was a backslash that begins an escape sequence. */
  #isEscaped = false;
  /** The member that has begun, as far as it is in earlier pieces. */
  #begun: Uint8Array[] = [];
  isAtEnd = false;

  constructor(inner: string) {
    this.#inner = inner;
  }

  take(piece: Uint8Array): MemberText[] {
    const members: MemberText[] = [];
    /** Where the member begins, or goes on. */
    let start = 0;
    const begin = (at: number) => {
      this.#begun = [];
      start = at;
    };
    const finish = (end: number) => {
      const text = this.#textUntil(piece.subarray(start, end));
      if (text.trim() !== "") members.push({ isInner: this.#memberLevel === 2, text });
      begin(end + 1);
    };
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] as number;
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === backslash) this.#isEscaped = true;
        else if (byte === quote) this.#inString = false;
        continue;
      }
      switch (byte) {
        case quote:
          this.#inString = true;
          break;
        case comma:
          if (this.#level === this.#memberLevel) finish(at);
          break;
        case openBrace:
        case openBracket: {
          const isInner =
            this.#level === 1 &&
            this.#memberLevel === 1 &&
            byte === openBrace &&
            this.#isInnerKey(piece.subarray(start, at));
          if (isInner) this.#memberLevel = 2;
          if (isInner || this.#level === 0) begin(at + 1);
          this.#level++;
          break;
        }
        case closeBrace:
        case closeBracket:
          if (this.#level === this.#memberLevel) {
            finish(at);
            this.#memberLevel = 1;
          }
          this.#level--;
          if (this.#level === 0) this.isAtEnd = true;
      }
    }
    if (start < piece.length) this.#begun.push(piece.subarray(start));
    return members;
  }

  #isInnerKey(end: Uint8Array): boolean {
    const text = this.#textUntil(end).trim();
    return text.endsWith(":") && JSON.parse(text.slice(0, -1)) === this.#inner;
  }

  #textUntil(end: Uint8Array): string {
    return Buffer.concat([...this.#begun, end]).toString();
  }
}
