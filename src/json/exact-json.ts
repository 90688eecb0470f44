/**
 * Reads and writes JSON without loss. Numbers that a double cannot hold exactly become `bigint` (integers) or
 * {@link ExactNumber} (decimals); `__proto__` is an ordinary key; lone surrogates survive. Duplicate keys and
 * nesting beyond a limit are refused, because they could not be kept. RFC 8259 leaves all of this to the
 * implementation.
 *
 * The room json/ owns JSON without loss, at once and in time slices. It knows nothing of sessions.
 */
import { parse as parseLossless } from "lossless-json";
import {
  ExactNumber,
  isJsonNumber,
  type NumberReader,
  readPlain,
  readSpelled,
  spell,
} from "./exact-number.ts";
import { type SpecialNumbers, withoutPlaceholders, withPlaceholders } from "./placeholders.ts";
import { shapeOf } from "./scan.ts";

export { ExactNumber };

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | bigint
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

/** The maximum nesting depth where no other is given. */
export const defaultMaxDepth = 64;
const longestPlace = 200;

/**
 * Thrown for text that is not JSON, and for a value that JSON cannot hold or that could not be kept exactly.
 */
export class JsonError extends Error {}

/**
 * Parses JSON so that `stringifyJson` writes every number as it is spelled here: a number that JavaScript
 * would spell in another way, such as 85.0 or 1e23, becomes an {@link ExactNumber}.
 *
 * @throws JsonError
 */
export function parseJson(text: string, maxDepth: number = defaultMaxDepth): JsonValue {
  return parseWith(readSpelled, text, maxDepth);
}

/**
 * Parses JSON for a JavaScript caller: a number is a plain number wherever that holds the value. So 85.0
 * becomes 85, which `stringifyJson` writes as 85.
 *
 * @throws JsonError
 */
export function parsePlainJson(text: string, maxDepth: number = defaultMaxDepth): JsonValue {
  return parseWith(readPlain, text, maxDepth);
}

/**
 * JSON.parse does the work, because it is many times faster than a parser in JavaScript. Only duplicate keys,
 * of which it keeps the last, need another one.
 */
function parseWith(read: NumberReader, text: string, maxDepth: number): JsonValue {
  const { depth, keys, special } = shapeOf(text, read);
  if (depth > maxDepth) throw new JsonError(`nested ${depth} levels deep; at most ${maxDepth} are allowed`);
  try {
    const value = special.values.length === 0 ? JSON.parse(text) : parseWithPlaceholders(text, special);
    if (keys !== countKeys(value)) return parseLossless(text, undefined, read) as JsonValue;
    return special.values.length === 0 ? value : (withoutPlaceholders(value, special.values) as JsonValue);
  } catch (error) {
    throw new JsonError((error as Error).message, { cause: error });
  }
}

function parseWithPlaceholders(text: string, special: SpecialNumbers): JsonValue {
  const altered = withPlaceholders(text, special);
  try {
    return JSON.parse(altered);
  } catch (error) {
    // The message is to show the text as it is.
    JSON.parse(text);
    throw error;
  }
}

export interface StringifyOptions {
  /** The maximum nesting depth; {@link defaultMaxDepth} by default. */
  maxDepth?: number;
  /** Spaces per level; 0, the default, writes one line. */
  indent?: number;
}

/**
 * Writes a value as JSON. Like JSON.stringify, it leaves out properties that are `undefined`.
 *
 * @throws JsonError with the place of a value that JSON cannot hold: NaN, a Date, a Map, a cycle …
 */
export function stringifyJson(value: unknown, options: StringifyOptions = {}): string {
  const { maxDepth = defaultMaxDepth, indent = 0 } = options;
  if (isNativelyExact(value, "", maxDepth)) return JSON.stringify(value, null, indent);
  return written(value, indent, indent === 0 ? "" : "\n");
}

/**
 * Writes a value with special numbers, in the form in which JSON.stringify writes others. `line` is a line
 * break and the indent of the value, or empty to write one line.
 */
function written(value: unknown, indent: number, line: string): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return spell(value);
    case "bigint":
      return String(value);
    case "object":
      break;
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof ExactNumber) return value.text;
  const inner = line === "" ? "" : line + " ".repeat(indent);
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += (text === "" ? inner : `,${inner}`) + written(item, indent, inner);
    return text === "" ? "[]" : `[${text}${line}]`;
  }
  const colon = line === "" ? ":" : ": ";
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (item === undefined) continue;
    text += (text === "" ? inner : `,${inner}`) + JSON.stringify(key) + colon + written(item, indent, inner);
  }
  return text === "" ? "{}" : `{${text}${line}}`;
}

export function isJsonObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The member of an object with this key. Undefined if there is none, or if the value is no object. */
export function memberOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/**
 * Sets a member of an object under construction. Unlike an assignment, it treats `__proto__` as an ordinary
 * key.
 */
export function putMember<T>(target: Record<string, T>, key: string, value: T): void {
  if (key !== "__proto__") target[key] = value;
  else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function countKeys(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object" && item !== null) keys += countKeys(item);
    return keys;
  }
  for (const key in value) {
    keys++;
    const item = (value as JsonObject)[key] as JsonValue;
    if (typeof item === "object" && item !== null) keys += countKeys(item);
  }
  return keys;
}

/**
 * Whether JSON.stringify writes this value exactly. `levels` is how many more levels it may nest.
 *
 * @throws JsonError for a value that JSON cannot hold
 */
function isNativelyExact(value: unknown, path: string, levels: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      if (!Number.isFinite(value)) throw new JsonError(`${place(path)} is ${value}, which JSON cannot hold`);
      return !Object.is(value, -0);
    case "bigint":
      return false;
    case "object":
      break;
    default:
      throw new JsonError(`${place(path)} is ${describe(value)}, which JSON cannot hold`);
  }
  if (value === null) return true;
  if (value instanceof ExactNumber) {
    if (isJsonNumber(value.text)) return false;
    throw new JsonError(`${place(path)} is an ExactNumber, and ${shown(value.text)} is no number of JSON`);
  }
  if (levels === 0) throw new JsonError(`${place(path)} is nested too deep, or contains itself`);
  let exact = true;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item = value[index] as unknown;
      if (typeof item !== "string" && !isNativelyExact(item, `${path}[${index}]`, levels - 1)) exact = false;
    }
    return exact;
  }
  if (!isJsonObject(value))
    throw new JsonError(
      `${place(path)} is ${describe(value)}; store it as a string, number, array or plain object`,
    );
  if (typeof value.toJSON === "function")
    throw new JsonError(`${place(path)} has a toJSON method; store its result instead`);
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "string" || item === undefined) continue;
    // The usual number, without a text for its place.
    if (Number.isFinite(item) && !Object.is(item, -0)) continue;
    if (!isNativelyExact(item, path === "" ? key : `${path}.${key}`, levels - 1)) exact = false;
  }
  return exact;
}

/** The beginning of a path is enough for a person. */
function place(path: string): string {
  if (path === "") return "the value";
  return path.length > longestPlace ? `${path.slice(0, longestPlace)}…` : path;
}

function shown(text: string): string {
  return JSON.stringify(text.length > longestPlace ? `${text.slice(0, longestPlace)}…` : text);
}

function describe(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "object" && value !== null) return `a ${value.constructor?.name ?? "object"}`;
  return `a ${typeof value}`;
}
