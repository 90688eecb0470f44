/**
 * `parseJson` for a text so long that parsing it in one go would hold everything else up: the lists and objects right below the
 * outermost object are parsed a piece at a time. What does not look as expected is left to `parseJson`, with its errors.
 */
import { endOfString, JsonError, type JsonValue, parseJson } from "./json.ts";
import { nextSlice } from "./slices.ts";

/** A shorter text is parsed in one go. */
const longText = 256 * 1024;
const pieceLength = 64 * 1024;

/** @throws JsonError */
export async function parseJsonInSlices(text: string, maxDepth: number): Promise<JsonValue> {
  if (text.length < longText) return parseJson(text, maxDepth);
  try {
    const value = await parsePieces(text, maxDepth);
    if (value !== undefined) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  return parseJson(text, maxDepth);
}

interface Parsed {
  value: JsonValue;
  /** Right behind it. */
  end: number;
}

async function parsePieces(text: string, maxDepth: number): Promise<JsonValue | undefined> {
  const result: Record<string, JsonValue> = {};
  let at = skipBlank(text, 0);
  if (text[at] !== "{") return undefined;
  do {
    const keyStart = skipBlank(text, at + 1);
    if (text[keyStart] !== '"') return undefined;
    const keyEnd = endOfString(text, keyStart + 1) + 1;
    const colon = skipBlank(text, keyEnd);
    if (text[colon] !== ":") return undefined;
    const parsed = await parseMember(text, skipBlank(text, colon + 1), maxDepth);
    const key = parseJson(text.slice(keyStart, keyEnd));
    if (parsed === undefined || typeof key !== "string" || !put(result, key, parsed.value)) return undefined;
    at = skipBlank(text, parsed.end);
  } while (text[at] === ",");
  return text[at] === "}" && skipBlank(text, at + 1) === text.length ? result : undefined;
}

function parseMember(text: string, start: number, maxDepth: number): Promise<Parsed | undefined> {
  const opening = text[start];
  if (opening === "[") {
    const items: JsonValue[] = [];
    return parseContainer(text, start, "]", (piece, isWhole) => {
      const parsed = parseJson(`[${piece}]`, maxDepth - 1) as readonly JsonValue[];
      for (const item of parsed) items.push(item);
      return isWhole || parsed.length > 0 ? items : undefined;
    });
  }
  if (opening === "{") {
    const members: Record<string, JsonValue> = {};
    return parseContainer(text, start, "}", (piece, isWhole) => {
      const entries = Object.entries(parseJson(`{${piece}}`, maxDepth - 1) as Record<string, JsonValue>);
      const isNew = entries.every(([key, value]) => put(members, key, value));
      return isNew && (isWhole || entries.length > 0) ? members : undefined;
    });
  }
  return Promise.resolve(parseScalar(text, start, maxDepth));
}

/** `add` takes in some of the items, and returns all of them so far; `isWhole` if the piece is all there is. */
async function parseContainer(
  text: string,
  start: number,
  closing: "]" | "}",
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
        await nextSlice();
    }
  }
  return undefined;
}

function parseScalar(text: string, start: number, maxDepth: number): Parsed {
  let end = text[start] === '"' ? endOfString(text, start + 1) + 1 : start;
  while (end < text.length && text[end] !== "," && text[end] !== "}") end++;
  return { value: parseJson(text.slice(start, end), maxDepth - 1), end };
}

/** Two values under one key could not both be kept: tells whether this is the first. */
function put(target: Record<string, JsonValue>, key: string, value: JsonValue): boolean {
  if (Object.hasOwn(target, key)) return false;
  if (key !== "__proto__") target[key] = value;
  // An ordinary key, where assignment would not make it one.
  else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  return true;
}

function skipBlank(text: string, start: number): number {
  let at = start;
  while (at < text.length && " \t\n\r".includes(text[at] as string)) at++;
  return at;
}
