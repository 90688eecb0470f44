/**
 * JSON in which nothing that goes in comes out different. Numbers that a double cannot hold exactly
 * become `bigint` (integers) or {@link ExactNumber} (decimals); `__proto__` is an ordinary key; lone
 * surrogates survive; two values under one key, or nesting beyond a limit, are refused, because
 * they could not be kept. RFC 8259 leaves all of these to the implementation.
 */
import { parse as parseLossless, stringify as stringifyLossless } from "lossless-json";

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

/** The depth of nesting that is accepted where nothing else is configured. */
export const defaultMaxDepth = 64;

/** A decimal that no double equals, kept as it was written. */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The nearest double. */
  valueOf(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  /** For code that only knows JSON.stringify: the nearest double, so precision is lost there. */
  toJSON(): number {
    return Number(this.text);
  }
}

export class JsonError extends Error {}

/** @throws JsonError for text that is not JSON, or cannot be kept exactly. */
export function parseJson(text: string, maxDepth: number = defaultMaxDepth): JsonValue {
  const shape = scan(text);
  if (shape.depth > maxDepth) {
    throw new JsonError(`nested ${shape.depth} levels deep; at most ${maxDepth} are kept`);
  }
  try {
    if (!shape.inexact) {
      const value = JSON.parse(text) as JsonValue;
      if (shape.keys === countKeys(value)) return value;
    }
    return parseLossless(text, undefined, parseNumber) as JsonValue;
  } catch (error) {
    throw new JsonError((error as Error).message, { cause: error });
  }
}

export interface StringifyOptions {
  maxDepth?: number;
  /** Spaces per level; 0 writes one line. */
  indent?: number;
}

/**
 * Writes a value as JSON. Properties that are `undefined` are left out, as JSON.stringify does.
 *
 * @throws JsonError naming the place of a value that JSON cannot hold: NaN, a Date, a Map, a cycle …
 */
export function stringifyJson(value: unknown, options: StringifyOptions = {}): string {
  const { maxDepth = defaultMaxDepth, indent = 0 } = options;
  const native = isNativelyExact(value, "", maxDepth);
  if (native) return JSON.stringify(value, null, indent);
  return stringifyLossless(value, undefined, indent, [
    { test: (item) => item instanceof ExactNumber, stringify: (item) => (item as ExactNumber).text },
    { test: (item) => Object.is(item, -0), stringify: () => "-0.0" },
  ]) as string;
}

export function isJsonObject(value: unknown): value is JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Gives an object under construction a member. `__proto__` is an ordinary key, where assignment would not make it one. */
export function putMember<T>(target: Record<string, T>, key: string, value: T): void {
  if (key !== "__proto__") target[key] = value;
  else Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

/**
 * One pass over the text, strings skipped: how deep it nests, how many keys it has, and whether
 * a number needs more than a double. Numbers of up to 15 digits without exponent never do.
 */
function scan(text: string): { depth: number; keys: number; inexact: boolean } {
  let level = 0;
  let depth = 0;
  let keys = 0;
  let inexact = false;
  let position = 0;
  while (position < text.length) {
    const code = text.charCodeAt(position);
    if (code === doubleQuote) {
      position = endOfString(text, position + 1);
    } else if (code === openBrace || code === openBracket) {
      level++;
      if (level > depth) depth = level;
    } else if (code === closeBrace || code === closeBracket) {
      level--;
    } else if (code === colon) {
      keys++;
    } else if (code === minus || (code >= zero && code <= nine)) {
      const end = endOfNumber(text, position);
      if (!inexact && (end - position > 15 || code === minus || !isPlain(text, position, end))) {
        inexact =
          typeof parseNumber(text.slice(position, end)) !== "number" || isNegativeZero(text, position, end);
      }
      position = end;
      continue;
    }
    position++;
  }
  return { depth, keys, inexact };
}

const doubleQuote = 0x22;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Where a string that was opened before `start` is closed, or the end of the text. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start);
  while (end !== -1) {
    let before = end - 1;
    while (text.charCodeAt(before) === backslash) before--;
    if ((end - before) % 2 === 1) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && "0123456789.eE+-".includes(text[end] as string)) end++;
  return end;
}

function isPlain(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if ((code < zero || code > nine) && code !== 0x2e) return false;
  }
  return true;
}

function isNegativeZero(text: string, start: number, end: number): boolean {
  return Object.is(Number(text.slice(start, end)), -0);
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

/** Longer numbers are kept as text: taking their value takes time that grows with the square of their length. */
const maxComputedDigits = 1000;

function parseNumber(text: string): number | bigint | ExactNumber {
  if (text.length > maxComputedDigits) return new ExactNumber(text);
  const double = Number(text);
  if (Object.is(double, -0)) return isZero(text) ? -0 : new ExactNumber(text);
  if (Number.isFinite(double) && sameDecimal(text, String(double))) return double;
  return /^-?\d+$/.test(text) ? BigInt(text) : new ExactNumber(text);
}

function isZero(text: string): boolean {
  return !/[1-9]/.test(text.replace(/[eE].*$/, ""));
}

function sameDecimal(a: string, b: string): boolean {
  return a === b || normalizeDecimal(a) === normalizeDecimal(b);
}

/** A decimal as sign, digits without leading or trailing zeros, and the power of ten they are multiplied by. */
function normalizeDecimal(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const fraction = match[3] ?? "";
  const digits = `${match[2]}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const exponent =
    BigInt(match[4] ?? 0) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${match[1]}${significant}e${exponent}`;
}

/** Whether JSON.stringify writes this value exactly. @throws JsonError for a value that nothing writes exactly. */
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
  if (value instanceof ExactNumber) return false;
  if (levels === 0) throw new JsonError(`${place(path)} is nested too deeply, or contains itself`);
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
    if (!isNativelyExact(item, path === "" ? key : `${path}.${key}`, levels - 1)) exact = false;
  }
  return exact;
}

function place(path: string): string {
  return path === "" ? "the value" : path;
}

function describe(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "object" && value !== null) return `a ${value.constructor?.name ?? "object"}`;
  return `a ${typeof value}`;
}
