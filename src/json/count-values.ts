/** Counts the values of JSON without building any of them. */
import { yieldIfDue } from "../async/slices.ts";
import { endOfLongString, endOfShortString } from "./long-string.ts";
import { closeBrace, closeBracket, comma, openBrace, openBracket, quote } from "./syntax-bytes.ts";

/** How many bytes are looked at in one go. */
const piece = 256 * 1024;

/**
 * Whether JSON in UTF-8 has more than `most` values. Each string, number, `true`, `false`, `null`, list and
 * object is one value, at any level. A key is none: it belongs to its value. Text that is no JSON has as many
 * values as its commas and brackets suggest.
 */
export async function hasMoreValues(bytes: Uint8Array, most: number): Promise<boolean> {
  // A value and what separates it from the next are at least two bytes.
  if (bytes.length < 2 * most) return false;
  let count = 1;
  /** The index of the last bracket, if it is an opening one and no comma followed; else -1. */
  let opened = -1;
  let at = 0;
  while (at < bytes.length && count <= most) {
    const stop = Math.min(bytes.length, at + piece);
    for (; at < stop; at++) {
      switch (bytes[at]) {
        case quote: {
          const end = endOfShortString(bytes, at + 1, piece);
          at = end === -1 ? await endOfLongString(bytes, at + 1, piece) : end;
          break;
        }
        case comma:
          count++;
          opened = -1;
          break;
        case openBracket:
        case openBrace:
          count++;
          opened = at;
          break;
        case closeBracket:
        case closeBrace:
          if (opened !== -1 && isEmpty(bytes, opened + 1, at)) count--;
          opened = -1;
      }
    }
    await yieldIfDue();
  }
  return count > most;
}

/** Whether a list or an object has nothing but white space in it; false if it has very much of that. */
function isEmpty(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > piece) return false;
  for (let at = start; at < end; at++) if ((bytes[at] as number) > 0x20) return false;
  return true;
}
