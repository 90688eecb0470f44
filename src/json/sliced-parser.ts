/**
 * Parses one JSON text in pieces. A scan over the bytes finds commas at which the text can be cut.
 * `parseJson` parses each piece, and what is larger than a piece is put together from its pieces.
 */
import { yieldIfDue } from "../async/slices.ts";
import { JsonError, type JsonValue } from "./exact-json.ts";
import { endOfLongString, endOfShortString, longString } from "./long-string.ts";
import { PiecedValue, TooManyMembers } from "./pieced-value.ts";
import {
  closeBrace,
  closeBracket,
  colon,
  comma,
  isBlank,
  openBrace,
  openBracket,
  quote,
} from "./syntax-bytes.ts";
import { TextParts } from "./text-parts.ts";

export interface TextLimits {
  /** How many keys an object, or items a list, may have. Default: any number. */
  most?: ((of: Placed) => number) | undefined;
  /** The longest key, number, or white space after a key, in bytes. Default: any length, parsed in one go. */
  longestToken?: number | undefined;
}

/** A list or an object, by its level (0 is the outermost) and its own key. */
export interface Placed {
  isList: boolean;
  level: number;
  key: string | undefined;
}

export class SlicedParser {
  readonly #bytes: Buffer;
  readonly #parts: TextParts;
  readonly #maxDepth: number;
  readonly #most: (of: Placed) => number;
  readonly #longestToken: number;
  readonly #piece: number;
  /** The indexes of the opening brackets of all lists and objects that are open, outermost first. */
  readonly #opens: number[] = [];
  /** For each of them, the index of the last comma that has not been parsed; -1 if there is none. */
  readonly #commas: number[] = [];
  /** The outermost of them, as far as they are larger than a piece. */
  readonly #built: PiecedValue[] = [];
  /** Where the text begins that has not been parsed. It belongs to the innermost of `#built`. */
  #start = 0;
  /** How much text is to be there before it is tried again whether it is an item before white space. */
  #nextTry: number;
  #root: JsonValue | undefined;

  constructor(bytes: Buffer, maxDepth: number, piece: number, { most, longestToken }: TextLimits) {
    this.#bytes = bytes;
    this.#parts = new TextParts(bytes, maxDepth);
    this.#maxDepth = maxDepth;
    this.#most = most ?? (() => Number.POSITIVE_INFINITY);
    this.#longestToken = longestToken ?? Number.POSITIVE_INFINITY;
    this.#piece = piece;
    this.#nextTry = piece;
  }

  async parse(): Promise<JsonValue> {
    const { length } = this.#bytes;
    for (let at = 0; at < length; ) {
      const stop = Math.min(length, at + this.#piece);
      at = this.#scan(at, stop);
      if (at < stop) at = await this.#longString(at);
      this.#reduce(at);
      await yieldIfDue();
    }
    return this.#end();
  }

  /** Returns the index of the next long string, or where it stopped looking: at `stop` or a little later. */
  #scan(from: number, stop: number): number {
    const bytes = this.#bytes;
    let at = from;
    for (; at < stop; at++) {
      switch (bytes[at]) {
        case quote: {
          const end = endOfShortString(bytes, at + 1, this.#piece);
          if (end === -1) return at;
          at = end;
          break;
        }
        case openBracket:
        case openBrace:
          if (this.#opens.push(at) > this.#maxDepth)
            throw new JsonError(`nested more than ${this.#maxDepth} levels deep`);
          this.#commas.push(-1);
          break;
        case closeBracket:
        case closeBrace:
          this.#close(at);
          break;
        case comma:
          this.#comma(at);
      }
    }
    return at;
  }

  #comma(at: number): void {
    const level = this.#opens.length;
    const built = this.#built.at(-1);
    if (built !== undefined && level === this.#built.length && built.after === "item") {
      this.#parts.expectBlank(this.#start, at);
      this.#start = at + 1;
      built.after = "comma";
    } else if (level > 0) this.#commas[level - 1] = at;
    if (at - this.#start >= this.#piece) this.#reduce(at);
  }

  #close(at: number): void {
    const level = this.#opens.length;
    if (level === 0) throw this.#parts.unexpected(at);
    if (level === this.#built.length) this.#finish(at);
    else if (level === 1) {
      if (this.#root !== undefined) throw this.#parts.unexpected(this.#opens[0] as number);
      this.#root = this.#parts.parse("", this.#start, at + 1, "");
      this.#start = at + 1;
    }
    this.#opens.pop();
    this.#commas.pop();
  }

  /** Handles the closing bracket of the innermost list or object of `#built`. */
  #finish(at: number): void {
    const built = this.#built.pop() as PiecedValue;
    if ((this.#bytes[at] === closeBracket) !== built.isList) throw this.#parts.unexpected(at);
    if (built.after === "item") this.#parts.expectBlank(this.#start, at);
    else this.#add(built, this.#start, at, built.after === "opening");
    this.#attach(built.key, built.value, at + 1);
  }

  /** Parses what can be parsed of the text before `at`, until less than a piece is left. */
  #reduce(at: number, least = this.#piece): void {
    while (at - this.#start >= least) {
      const level = this.#built.length;
      const built = this.#built.at(-1);
      const last = this.#commas[level - 1] ?? -1;
      if (built !== undefined && last >= 0) {
        this.#add(built, this.#start, last, false);
        built.after = "comma";
        this.#commas[level - 1] = -1;
        this.#start = last + 1;
      } else if (this.#opens.length > level) this.#build(this.#opens[level] as number);
      else {
        this.#skipBlank(at);
        return;
      }
    }
  }

  /** Begins to put together the list or object that opens at `at`. */
  #build(at: number): void {
    const key = this.#keyBefore(at);
    const isList = this.#bytes[at] === openBracket;
    const most = this.#most({ isList, level: this.#built.length, key });
    this.#built.push(new PiecedValue(isList, key, most));
    this.#start = at + 1;
  }

  /** The key of the value that begins at `at`: undefined in a list. */
  #keyBefore(at: number): string | undefined {
    const built = this.#built.at(-1);
    if (built === undefined ? this.#root !== undefined : built.after === "item")
      throw this.#parts.unexpected(at);
    if (built === undefined || built.isList) {
      this.#parts.expectBlank(this.#start, at);
      return undefined;
    }
    return Object.keys(this.#parts.parse("{", this.#start, at, "null}"))[0];
  }

  /** Adds the items or members in a part of the text to a list or an object. */
  #add(built: PiecedValue, start: number, end: number, mayBeEmpty: boolean): void {
    const [open, close] = built.isList ? (["[", "]"] as const) : (["{", "}"] as const);
    const count = built.addAll(this.#parts.parse(open, start, end, close));
    if (count === 0 && !mayBeEmpty) throw this.#parts.unexpected(end);
  }

  /** Adds a whole value, which ends before `end`, to the list or object that it is in. */
  #attach(key: string | undefined, value: JsonValue, end: number): void {
    const built = this.#built.at(-1);
    this.#start = end;
    if (built === undefined) this.#root = value;
    else {
      built.add(key, value);
      built.after = "item";
    }
  }

  /** Handles the long string that begins at `at`. Resolves with the index after it. */
  async #longString(at: number): Promise<number> {
    const end = await endOfLongString(this.#bytes, at + 1, this.#piece);
    if (this.#isKey(end + 1)) {
      if (end - at > this.#longestToken)
        throw new JsonError(`a key is longer than ${this.#longestToken} bytes`);
      return end + 1;
    }
    this.#reduce(at, 0);
    const key = this.#keyBefore(at);
    this.#attach(key, await longString(this.#bytes, at + 1, end, this.#piece), end + 1);
    return end + 1;
  }

  /** Whether a colon follows. */
  #isKey(end: number): boolean {
    const limit = Math.min(this.#bytes.length, end + this.#longestToken);
    let at = end;
    while (at < limit && isBlank(this.#bytes[at])) at++;
    return this.#bytes[at] === colon;
  }

  /** Leaves out white space before an item and after it. What is left cannot be cut. */
  #skipBlank(at: number): void {
    while (this.#start < at && isBlank(this.#bytes[this.#start])) this.#start++;
    const length = at - this.#start;
    // An item that is none is tried again when twice as much has been read: less would take too long.
    if (length >= this.#nextTry && isBlank(this.#bytes[at - 1])) {
      const isTaken = this.#takeItem(this.#built.at(-1), at);
      this.#nextTry = isTaken ? this.#piece : 2 * length;
      if (isTaken) return;
    }
    if (length > this.#longestToken)
      throw new JsonError(`a number, or white space after a key, is longer than ${this.#longestToken} bytes`);
  }

  /** Parses what may be the last item before the white space at `at`. Returns false if it is none. */
  #takeItem(built: PiecedValue | undefined, at: number): boolean {
    try {
      if (built === undefined) {
        if (this.#root !== undefined) return false;
        this.#root = this.#parts.parse("", this.#start, at, "");
      } else {
        if (built.after === "item") return false;
        this.#add(built, this.#start, at, false);
        built.after = "item";
      }
    } catch (error) {
      if (error instanceof TooManyMembers || !(error instanceof JsonError)) throw error;
      return false;
    }
    this.#start = at;
    return true;
  }

  #end(): JsonValue {
    const end = this.#bytes.length;
    if (this.#opens.length > 0) throw new JsonError("Unexpected end of JSON input");
    if (this.#root === undefined) return this.#parts.parse("", this.#start, end, "") as JsonValue;
    this.#parts.expectBlank(this.#start, end);
    return this.#root;
  }
}
