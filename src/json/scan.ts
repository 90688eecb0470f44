/** Looks through JSON without parsing it. Nothing here checks that the JSON is valid. */
import { parseNumber } from "./exact-number.ts";

export interface Shape {
  /** The nesting depth of lists and objects. */
  depth: number;
  /** The number of keys, equal ones counted each time. */
  keys: number;
  /** Whether any number needs more than a double to be exact. */
  inexact: boolean;
}

/** Finds the shape of a text in one pass. */
export function shapeOf(text: string): Shape {
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
      // A number of up to 15 digits without exponent always fits a double.
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
