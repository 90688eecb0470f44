/**
 * Variants of `parseJson` and `stringifyJson` for large documents. They work in pieces and yield to the event
 * loop between them.
 */
import { itemsPerSlice, yieldIfDue } from "../async/slices.ts";
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  parseJson,
  putMember,
  stringifyJson,
} from "./exact-json.ts";
import { endOfString } from "./scan.ts";

/** When work is done in pieces, and how large they are. */
export interface PieceSizes {
  /** Characters; a shorter text is parsed in one piece. */
  longText: number;
  /** Characters of text in one piece. */
  text: number;
  /** Items of a list, or members of an object, that are written in one piece. */
  items: number;
}

const usualSizes: PieceSizes = { longText: 256 * 1024, text: 64 * 1024, items: itemsPerSlice };

/**
 * Parses the lists and objects directly below the outermost object in pieces. Text of any other form, and
 * text with an error, goes to `parseJson` as a whole, so that results and errors are the same.
 *
 * @throws JsonError
 */
export async function parseJsonInSlices(
  text: string,
  maxDepth: number,
  sizes = usualSizes,
): Promise<JsonValue> {
  if (text.length < sizes.longText) return parseJson(text, maxDepth);
  try {
    const value = await parsePieces(text, maxDepth, sizes.text);
    if (value !== undefined) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  return parseJson(text, maxDepth);
}

interface Parsed {
  value: JsonValue;
  /** The index after the value. */
  end: number;
}

async function parsePieces(
  text: string,
  maxDepth: number,
  pieceLength: number,
): Promise<JsonValue | undefined> {
  const result: Record<string, JsonValue> = {};
  let at = skipBlank(text, 0);
  if (text[at] !== "{") return undefined;
  do {
    const keyStart = skipBlank(text, at + 1);
    if (text[keyStart] !== '"') return undefined;
    const keyEnd = endOfString(text, keyStart + 1) + 1;
    const colon = skipBlank(text, keyEnd);
    if (text[colon] !== ":") return undefined;
    const parsed = await parseMember(text, skipBlank(text, colon + 1), maxDepth, pieceLength);
    const key = parseJson(text.slice(keyStart, keyEnd));
    if (parsed === undefined || typeof key !== "string" || !addMember(result, key, parsed.value))
      return undefined;
    at = skipBlank(text, parsed.end);
  } while (text[at] === ",");
  return text[at] === "}" && skipBlank(text, at + 1) === text.length ? result : undefined;
}

function parseMember(
  text: string,
  start: number,
  maxDepth: number,
  pieceLength: number,
): Promise<Parsed | undefined> {
  const opening = text[start];
  if (opening === "[") {
    const items: JsonValue[] = [];
    return parseContainer(text, start, "]", pieceLength, (piece, isWhole) => {
      const parsed = parseJson(`[${piece}]`, maxDepth - 1) as readonly JsonValue[];
      for (const item of parsed) items.push(item);
      return isWhole || parsed.length > 0 ? items : undefined;
    });
  }
  if (opening === "{") {
    const members: Record<string, JsonValue> = {};
    return parseContainer(text, start, "}", pieceLength, (piece, isWhole) => {
      const entries = Object.entries(parseJson(`{${piece}}`, maxDepth - 1) as Record<string, JsonValue>);
      const isNew = entries.every(([key, value]) => addMember(members, key, value));
      return isNew && (isWhole || entries.length > 0) ? members : undefined;
    });
  }
  return Promise.resolve(parseScalar(text, start, maxDepth));
}

/**
 * Parses a list or an object in pieces. `add` parses one piece and returns everything so far, or undefined if
 * the piece is wrong. `isWhole` says that the piece is the whole content, which alone may be empty.
 */
async function parseContainer(
  text: string,
  start: number,
  closing: "]" | "}",
  pieceLength: number,
  add: (piece: string, isWhole: boolean) => JsonValue | undefined,
): Promise<Parsed | undefined> {
  let depth = 0;
  let pieceStart = start + 1;
  for (let at = pieceStart; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        at = endOfString(text, at + 1);
        break;
      case "[":
      case "{":
        depth++;
        break;
      case "]":
      case "}": {
        if (depth-- > 0) break;
        const value = add(text.slice(pieceStart, at), pieceStart === start + 1);
        return text[at] === closing && value !== undefined ? { value, end: at + 1 } : undefined;
      }
      case ",":
        if (depth > 0 || at - pieceStart < pieceLength) break;
        if (add(text.slice(pieceStart, at), false) === undefined) return undefined;
        pieceStart = at + 1;
        await yieldIfDue();
    }
  }
  return undefined;
}

function parseScalar(text: string, start: number, maxDepth: number): Parsed {
  let end = text[start] === '"' ? endOfString(text, start + 1) + 1 : start;
  while (end < text.length && text[end] !== "," && text[end] !== "}") end++;
  return { value: parseJson(text.slice(start, end), maxDepth - 1), end };
}

/** Adds a member. Returns false for a duplicate key. */
function addMember(target: Record<string, JsonValue>, key: string, value: JsonValue): boolean {
  if (Object.hasOwn(target, key)) return false;
  putMember(target, key, value);
  return true;
}

function skipBlank(text: string, start: number): number {
  let at = start;
  while (at < text.length && " \t\n\r".includes(text[at] as string)) at++;
  return at;
}

/** Large lists and objects are written in pieces down to this many levels below the outermost one. */
const levelsInPieces = 2;

/** Writes a large value as UTF-8 in pieces, and any other as text at once. @throws JsonError */
export async function stringifyJsonInSlices(
  value: unknown,
  maxDepth: number,
  sizes = usualSizes,
): Promise<string | Buffer> {
  if (!isLarge(value, levelsInPieces, sizes.items)) return stringifyJson(value, { maxDepth });
  const pieces: Buffer[] = [];
  let text = "";
  for (const piece of piecesOf(value, maxDepth, levelsInPieces, sizes.items)) {
    text += piece;
    if (text.length < sizes.text) continue;
    pieces.push(Buffer.from(text));
    text = "";
    await yieldIfDue();
  }
  return Buffer.concat([...pieces, Buffer.from(text)]);
}

function isLarge(value: unknown, levels: number, items: number): boolean {
  if (Array.isArray(value)) return value.length > items;
  if (!isJsonObject(value)) return false;
  const keys = Object.keys(value);
  return keys.length > items || (levels > 0 && keys.some((key) => isLarge(value[key], levels - 1, items)));
}

/** Yields the JSON of a value in pieces of so many items. */
function* piecesOf(value: unknown, maxDepth: number, levels: number, items: number): Generator<string> {
  const isList = Array.isArray(value);
  if (!isList && !isJsonObject(value)) return yield stringifyJson(value, { maxDepth });
  const [open, close] = isList ? "[]" : "{}";
  const pieces = isList
    ? piecesOfList(value, maxDepth, items)
    : piecesOfObject(value, maxDepth, levels, items);
  let separator = open as string;
  for (const piece of pieces) {
    yield separator;
    yield* piece;
    separator = ",";
  }
  yield separator === "," ? (close as string) : `${open}${close}`;
}

function* piecesOfList(
  list: readonly unknown[],
  maxDepth: number,
  items: number,
): Generator<Iterable<string>> {
  for (let at = 0; at < list.length; at += items) yield content(list.slice(at, at + items), maxDepth);
}

function* piecesOfObject(
  value: JsonObject,
  maxDepth: number,
  levels: number,
  items: number,
): Generator<Iterable<string>> {
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  if (levels > 0 && keys.length <= items) {
    for (const key of keys) yield member(key, value[key], maxDepth - 1, levels - 1, items);
    return;
  }
  for (let at = 0; at < keys.length; at += items) {
    const some: Record<string, JsonValue> = {};
    for (const key of keys.slice(at, at + items)) putMember(some, key, value[key] as JsonValue);
    yield content(some, maxDepth);
  }
}

function* member(
  key: string,
  value: unknown,
  maxDepth: number,
  levels: number,
  items: number,
): Generator<string> {
  yield `${JSON.stringify(key)}:`;
  yield* piecesOf(value, maxDepth, levels, items);
}

/** The JSON of a list or an object without its brackets. */
function content(value: unknown, maxDepth: number): [string] {
  return [stringifyJson(value, { maxDepth }).slice(1, -1)];
}
