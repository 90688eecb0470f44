/**
 * Parses large JSON of any shape in pieces, and yields to the event loop between them. A scan over the bytes
 * finds commas at which the text can be cut. `parseJson` parses each piece, and what is larger than a piece is
 * put together from its pieces.
 */
import { isUtf8 } from "node:buffer";
import { yieldIfDue } from "../async/slices.ts";
import { JsonError, type JsonValue, parseJson, putMember } from "./exact-json.ts";
import { endOfLongString, endOfShortString, longString } from "./long-string.ts";
import { isSame } from "./same-value.ts";

/** When work is done in pieces, and how large they are, in bytes. */
export interface TextSizes {
  /** A shorter text is parsed in one piece. */
  longText: number;
  piece: number;
  /** The longest key, number, or white space inside a list or an object that is taken. */
  longestToken: number;
}

/** Thrown for an object with more keys than the caller takes. */
export class TooManyKeys extends JsonError {}

const usualSizes: TextSizes = { longText: 256 * 1024, piece: 64 * 1024, longestToken: 1024 * 1024 };

/**
 * Parses UTF-8 as `parseJson` parses text, with these differences for a text that is not short: a key or a
 * number of more than 1 MiB is refused, and so is white space of more than 1 MiB between a key and its value.
 *
 * @throws JsonError
 */
export async function parseJsonInSlices(
  bytes: Uint8Array,
  maxDepth: number,
  { sizes = usualSizes, maxKeys = Number.POSITIVE_INFINITY }: { sizes?: TextSizes; maxKeys?: number } = {},
): Promise<JsonValue> {
  if (!isUtf8(bytes)) throw new JsonError("the text is not valid UTF-8");
  if (bytes.length < sizes.longText) return parseJson(textOf(bytes, 0, bytes.length), maxDepth);
  return new SlicedParser(bytes, { maxDepth, sizes, maxKeys }).parse();
}

/** A list or an object that is put together from pieces. */
interface Built {
  readonly value: JsonValue[] | Record<string, JsonValue>;
  readonly isList: boolean;
  /** Its key, if it is a member of an object. */
  readonly key: string | undefined;
  /** How many keys it has, if it is an object. */
  keys: number;
  /** What comes before the text that has not been parsed. */
  after: "opening" | "comma" | "item";
}

class SlicedParser {
  readonly #bytes: Buffer;
  readonly #maxDepth: number;
  readonly #maxKeys: number;
  readonly #sizes: TextSizes;
  /** The indexes of the opening brackets of all lists and objects that are open, outermost first. */
  readonly #opens: number[] = [];
  /** For each of them, the index of the last comma that has not been parsed; -1 if there is none. */
  readonly #commas: number[] = [];
  /** The outermost of them, as far as they are larger than a piece. */
  readonly #built: Built[] = [];
  /** Where the text begins that has not been parsed. It belongs to the innermost of `#built`. */
  #start = 0;
  #root: JsonValue | undefined;

  constructor(
    bytes: Uint8Array,
    { maxDepth, sizes, maxKeys }: { maxDepth: number; sizes: TextSizes; maxKeys: number },
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = maxDepth;
    this.#maxKeys = maxKeys;
    this.#sizes = sizes;
  }

  async parse(): Promise<JsonValue> {
    const { length } = this.#bytes;
    for (let at = 0; at < length; ) {
      const stop = Math.min(length, at + this.#sizes.piece);
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
          const end = endOfShortString(bytes, at + 1, this.#sizes.piece);
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
      this.#expectBlank(this.#start, at);
      this.#start = at + 1;
      built.after = "comma";
    } else if (level > 0) this.#commas[level - 1] = at;
    if (at - this.#start >= this.#sizes.piece) this.#reduce(at);
  }

  #close(at: number): void {
    const level = this.#opens.length;
    if (level === 0) throw this.#unexpected(at);
    if (level === this.#built.length) this.#finish(at);
    else if (level === 1) {
      if (this.#root !== undefined) throw this.#unexpected(this.#opens[0] as number);
      this.#root = this.#parse("", this.#start, at + 1, "");
      this.#start = at + 1;
    }
    this.#opens.pop();
    this.#commas.pop();
  }

  /** Handles the closing bracket of the innermost list or object of `#built`. */
  #finish(at: number): void {
    const built = this.#built.pop() as Built;
    if ((this.#bytes[at] === closeBracket) !== built.isList) throw this.#unexpected(at);
    if (built.after === "item") this.#expectBlank(this.#start, at);
    else this.#add(built, this.#start, at, built.after === "opening");
    this.#attach(built.key, built.value, at + 1);
  }

  /** Parses what can be parsed of the text before `at`, until less than a piece is left. */
  #reduce(at: number, least = this.#sizes.piece): void {
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
    this.#built.push({ value: isList ? [] : {}, isList, key, keys: 0, after: "opening" });
    this.#start = at + 1;
  }

  /** The key of the value that begins at `at`: undefined in a list. */
  #keyBefore(at: number): string | undefined {
    const built = this.#built.at(-1);
    if (built === undefined ? this.#root !== undefined : built.after === "item") throw this.#unexpected(at);
    if (built === undefined || built.isList) {
      this.#expectBlank(this.#start, at);
      return undefined;
    }
    return Object.keys(this.#parse("{", this.#start, at, "null}"))[0];
  }

  /** Adds the items or members in a part of the text to a list or an object. */
  #add(built: Built, start: number, end: number, mayBeEmpty: boolean): void {
    const { value, isList } = built;
    const part = isList ? this.#parse("[", start, end, "]") : this.#parse("{", start, end, "}");
    let count = 0;
    if (Array.isArray(part)) {
      for (const item of part) (value as JsonValue[]).push(item);
      count = part.length;
    } else {
      for (const key of Object.keys(part)) {
        this.#addMember(built, key, part[key] as JsonValue);
        count++;
      }
    }
    if (count === 0 && !mayBeEmpty) throw this.#unexpected(end);
  }

  /** As `parseJson`, a key may come again with the same value. */
  #addMember(built: Built, key: string, value: JsonValue): void {
    const target = built.value as Record<string, JsonValue>;
    if (!Object.hasOwn(target, key)) {
      if (++built.keys > this.#maxKeys)
        throw new TooManyKeys(`an object has more than ${this.#maxKeys} keys`);
    } else if (!isSame(target[key], value)) throw new JsonError(`Duplicate key '${key.slice(0, 100)}'`);
    putMember(target, key, value);
  }

  /** Adds a whole value, which ends before `end`, to the list or object that it is in. */
  #attach(key: string | undefined, value: JsonValue, end: number): void {
    const built = this.#built.at(-1);
    this.#start = end;
    if (built === undefined) this.#root = value;
    else {
      if (key === undefined) (built.value as JsonValue[]).push(value);
      else this.#addMember(built, key, value);
      built.after = "item";
    }
  }

  /** Handles the long string that begins at `at`. Resolves with the index after it. */
  async #longString(at: number): Promise<number> {
    const { piece, longestToken } = this.#sizes;
    const end = await endOfLongString(this.#bytes, at + 1, piece);
    if (this.#isKey(end + 1)) {
      if (end - at > longestToken) throw new JsonError(`a key is longer than ${longestToken} bytes`);
      return end + 1;
    }
    this.#reduce(at, 0);
    const key = this.#keyBefore(at);
    this.#attach(key, await longString(this.#bytes, at + 1, end, piece), end + 1);
    return end + 1;
  }

  /** Whether a colon follows. */
  #isKey(end: number): boolean {
    const limit = Math.min(this.#bytes.length, end + this.#sizes.longestToken);
    let at = end;
    while (at < limit && isBlank(this.#bytes[at])) at++;
    return this.#bytes[at] === colon;
  }

  /** Leaves out white space. What is left must be short, as there is no place to cut it. */
  #skipBlank(at: number): void {
    while (this.#start < at && isBlank(this.#bytes[this.#start])) this.#start++;
    if (at - this.#start <= this.#sizes.longestToken) return;
    throw new JsonError(
      `a number, or white space in a list or an object, is longer than ${this.#sizes.longestToken} bytes`,
    );
  }

  #end(): JsonValue {
    const end = this.#bytes.length;
    if (this.#opens.length > 0) throw new JsonError("Unexpected end of JSON input");
    if (this.#root === undefined) return this.#parse("", this.#start, end, "") as JsonValue;
    this.#expectBlank(this.#start, end);
    return this.#root;
  }

  /** Parses a part of the text between two brackets. Errors name the place in the whole text. */
  #parse(open: "[" | "{" | "", start: number, end: number, close: string) {
    const text = `${open}${textOf(this.#bytes, start, end)}${close}`;
    try {
      // The scan has checked the depth.
      return parseJson(text, this.#maxDepth + 1) as JsonValue[] | Record<string, JsonValue>;
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      const message = error.message.replace(/at position (\d+)/, (_, position: string) => {
        const before = text.slice(open.length, Number(position));
        return `at byte ${start + Buffer.byteLength(before)}`;
      });
      throw new JsonError(message, { cause: error });
    }
  }

  #expectBlank(start: number, end: number): void {
    for (let at = start; at < end; at++) if (!isBlank(this.#bytes[at])) throw this.#unexpected(at);
  }

  #unexpected(at: number): JsonError {
    const shown = textOf(this.#bytes, at, Math.min(at + 20, this.#bytes.length)).replace(/\ufffd+$/, "");
    return new JsonError(`Unexpected ${JSON.stringify(shown)} in JSON at byte ${at}`);
  }
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}
