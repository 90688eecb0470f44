/**
 * Writes large values of any shape as JSON in pieces, and yields to the event loop between them. What is
 * small is left to `stringifyJson`.
 */
import { yieldIfDue } from "../async/slices.ts";
import { isJsonObject, putMember, stringifyJson } from "./exact-json.ts";

/** How large a piece is. */
export interface PieceSizes {
  /** Characters of strings and keys. */
  text: number;
  /** Values, at any level. */
  values: number;
}

export interface PieceOptions {
  /** The maximum nesting depth of the value. */
  maxDepth: number;
  /** Spaces per level; 0, the default, writes one line. */
  indent?: number;
  /** How many levels the value is indented itself. Default: 0. */
  level?: number;
  sizes?: PieceSizes;
  known?: KnownKeys;
}

/** The keys of objects with many, because to list them again would take long. */
type KnownKeys = Map<object, readonly string[]>;

/** An object with more keys than this makes several pieces of the usual size. */
const manyKeys = 10_000;

const usualSizes: PieceSizes = { text: 64 * 1024, values: 2000 };

/** Writes a large value as UTF-8 in pieces, and any other as text at once. @throws JsonError */
export async function stringifyJsonInSlices(
  value: unknown,
  maxDepth: number,
  sizes = usualSizes,
): Promise<string | Buffer> {
  const known: KnownKeys = new Map();
  if (fits(value, { ...sizes }, known)) return stringifyJson(value, { maxDepth });
  const pieces: Buffer[] = [];
  let text = "";
  for (const piece of jsonPieces(value, { maxDepth, sizes, known })) {
    text += piece;
    if (text.length < sizes.text) continue;
    pieces.push(Buffer.from(text));
    text = "";
    await yieldIfDue();
  }
  return Buffer.concat([...pieces, Buffer.from(text)]);
}

/** Whether a value makes no more than one piece. */
export function isSmall(value: unknown, sizes = usualSizes): boolean {
  return fits(value, { ...sizes }, new Map());
}

/** The JSON of a value in pieces of a bounded size. @throws JsonError, perhaps after some pieces */
export function* jsonPieces(value: unknown, options: PieceOptions): Generator<string> {
  const { maxDepth, indent = 0, level = 0, sizes = usualSizes, known = new Map() } = options;
  if (typeof value === "string" && value.length > sizes.text) return yield* stringPieces(value, sizes.text);
  const isList = Array.isArray(value);
  if (fits(value, { ...sizes }, known) || maxDepth === 0 || (!isList && !isJsonObject(value)))
    return yield indented(stringifyJson(value, { maxDepth, indent }), indent * level);
  const inner = { maxDepth: maxDepth - 1, indent, level: level + 1, sizes, known };
  const line = indent === 0 ? "" : `\n${" ".repeat(indent * (level + 1))}`;
  let separator = isList ? "[" : "{";
  for (const part of isList ? partsOfList(value, sizes, known) : partsOfObject(value, sizes, known)) {
    yield separator;
    separator = ",";
    if ("some" in part) {
      const text = stringifyJson(part.some, { maxDepth, indent });
      yield indented(text.slice(1, indent === 0 ? -1 : -2), indent * level);
    } else {
      yield part.key === undefined ? line : `${line}${JSON.stringify(part.key)}:${indent === 0 ? "" : " "}`;
      yield* jsonPieces(part.large, inner);
    }
  }
  if (indent > 0) yield `\n${" ".repeat(indent * level)}`;
  yield isList ? "]" : "}";
}

/** Some items or members that make a piece together, or one that is larger. */
type Part = { some: unknown } | { large: unknown; key?: string };

function* partsOfList(list: readonly unknown[], sizes: PieceSizes, known: KnownKeys): Generator<Part> {
  let start = 0;
  let left = { ...sizes };
  for (let at = 0; at < list.length; at++) {
    if (fits(list[at], left, known)) continue;
    if (at > start) yield { some: list.slice(start, at) };
    left = { ...sizes };
    start = at;
    if (fits(list[at], left, known)) continue;
    yield { large: list[at] };
    left = { ...sizes };
    start = at + 1;
  }
  if (start < list.length) yield { some: list.slice(start) };
}

function* partsOfObject(
  value: Readonly<Record<string, unknown>>,
  sizes: PieceSizes,
  known: KnownKeys,
): Generator<Part> {
  let some: Record<string, unknown> = {};
  let count = 0;
  let left = { ...sizes };
  for (const key of known.get(value) ?? Object.keys(value)) {
    const item = value[key];
    if (item === undefined) continue;
    left.text -= key.length;
    if (!fits(item, left, known)) {
      if (count > 0) yield { some };
      some = {};
      count = 0;
      left = { ...sizes };
      if (!fits(item, left, known)) {
        yield { key, large: item };
        left = { ...sizes };
        continue;
      }
    }
    putMember(some, key, item);
    count++;
  }
  if (count > 0) yield { some };
}

/** Whether a value fits into what is left of a piece, and takes its part of it. */
function fits(value: unknown, left: PieceSizes, known: KnownKeys): boolean {
  if (--left.values < 0 || left.text < 0) return false;
  if (typeof value === "string") left.text -= value.length;
  else if (Array.isArray(value)) {
    for (const item of value) if (!fits(item, left, known)) return false;
  } else if (isJsonObject(value)) {
    if (known.size > 0 && known.has(value)) return false;
    const keys = Object.keys(value);
    if (keys.length > manyKeys) known.set(value, keys);
    if (keys.length > left.values) return false;
    for (const key of keys) {
      const item = value[key];
      left.text -= key.length;
      // Most members of a reply are short: no call for each.
      if (typeof item === "object") {
        if (!fits(item, left, known)) return false;
      } else {
        left.values--;
        if (typeof item === "string") left.text -= item.length;
      }
    }
  }
  return left.values >= 0 && left.text >= 0;
}

/** In strings line breaks are escaped, so every line break is one of the layout. */
function indented(text: string, spaces: number): string {
  return spaces === 0 ? text : text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
}

function* stringPieces(text: string, length: number): Generator<string> {
  yield '"';
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + length);
    // A pair of surrogates stays together, because a surrogate alone is written as an escape sequence.
    if (end < text.length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end++;
    yield JSON.stringify(text.slice(at, end)).slice(1, -1);
    at = end;
  }
  yield '"';
}
