/** Looks through JSON without parsing it. Nothing here checks that the JSON is valid. */
import type { NumberReader } from "./exact-number.ts";
import { isPlaceholder, placeholderLength, type SpecialNumbers } from "./placeholders.ts";

export interface Shape {
  /** The nesting depth of lists and objects. */
  depth: number;
  /** The number of keys, equal ones counted each time. */
  keys: number;
  /** The numbers that JSON.parse would alter. */
  special: SpecialNumbers;
}

/** Finds the shape of a text in one pass. `read` says what a number is to become. */
export function shapeOf(text: string, read: NumberReader): Shape {
  let level = 0;
  let depth = 0;
  let keys = 0;
  const special: SpecialNumbers = { places: [], values: [] };
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
      if (!isOrdinary(text, position, end)) {
        const value = read(text.slice(position, end));
        if (typeof value !== "number" || isPlaceholder(value)) {
          special.places.push(position, end);
          special.values.push(value);
        }
      }
      position = end;
      continue;
    }
    position++;
  }
  return { depth, keys, special };
}

const doubleQuote = 0x22;
const plus = 0x2b;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const one = 0x31;
const nine = 0x39;
const colon = 0x3a;
const capitalE = 0x45;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const smallE = 0x65;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * The index of the quotation mark that closes a string, or the length of the JSON if none does. The JSON is
 * text or UTF-8; `start` is the index after the opening quotation mark.
 */
export function endOfString(json: string | Uint8Array, start: number): number {
  // `indexOf` goes through a long string many times faster than a loop, and through a short one as fast.
  let end = nextQuote(json, start);
  while (end !== -1) {
    let before = end - 1;
    while (unitAt(json, before) === backslash) before--;
    const isEscaped = (end - before) % 2 === 0;
    if (!isEscaped) return end;
    end = nextQuote(json, end + 1);
  }
  return json.length;
}

function nextQuote(json: string | Uint8Array, start: number): number {
  return typeof json === "string" ? json.indexOf('"', start) : json.indexOf(doubleQuote, start);
}

function unitAt(json: string | Uint8Array, at: number): number | undefined {
  return typeof json === "string" ? json.charCodeAt(at) : json[at];
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && isOfNumber(text.charCodeAt(end))) end++;
  return end;
}

function isOfNumber(code: number): boolean {
  if (code >= zero) return code <= nine || code === smallE || code === capitalE;
  return code === point || code === minus || code === plus;
}

/**
 * Whether a number surely fits a double and is spelled as JavaScript does: at most 15 digits, no exponent,
 * and a fraction that does not end with 0. Small numbers such as 0.01, and what may look like a placeholder,
 * are left to a closer look.
 */
function isOrdinary(text: string, start: number, end: number): boolean {
  if (end - start > 15) return false;
  let first = start;
  if (text.charCodeAt(start) === minus) {
    if (end - start === placeholderLength) return false;
    first++;
  }
  if (text.charCodeAt(first) === zero) {
    if (end - start === 1) return true;
    if (text.charCodeAt(first + 1) !== point || !(text.charCodeAt(first + 2) >= one)) return false;
  }
  let hasPoint = false;
  for (let at = first; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === point && !hasPoint) hasPoint = true;
    else if (code < zero || code > nine) return false;
  }
  return !hasPoint || text.charCodeAt(end - 1) > zero;
}
