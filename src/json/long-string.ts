/** Strings of JSON that are too long to be looked at in one go. */
import { yieldIfDue } from "../async/slices.ts";
import { JsonError } from "./exact-json.ts";
import { backslash, quote, smallU } from "./syntax-bytes.ts";

/**
 * The index of the quotation mark that closes a string of UTF-8; -1 if it is not among the next `length`
 * bytes. A loop, because most strings are too short for a call of `Buffer.indexOf` to pay.
 */
export function endOfShortString(bytes: Uint8Array, start: number, length: number): number {
  const stop = Math.min(bytes.length, start + length);
  for (let at = start; at < stop; at++) {
    const byte = bytes[at];
    if (byte === quote) return at;
    if (byte === backslash) at++;
  }
  return -1;
}

/** Resolves with the index of the quotation mark that closes a string. @throws JsonError if there is none */
export async function endOfLongString(bytes: Uint8Array, start: number, piece: number): Promise<number> {
  for (let at = start; at < bytes.length; at = cut(bytes, at, at + piece)) {
    const end = endOfShortString(bytes, at, piece);
    if (end !== -1) return end;
    await yieldIfDue();
  }
  throw new JsonError("Unterminated string in JSON");
}

/** The string between two quotation marks, parsed in pieces. @throws JsonError */
export async function longString(bytes: Buffer, start: number, end: number, piece: number): Promise<string> {
  let text = "";
  for (let at = start; at < end; ) {
    const next = Math.min(end, cut(bytes, at, at + piece));
    text += parsed(bytes.toString("utf8", at, next));
    at = next;
    await yieldIfDue();
  }
  return text;
}

/** The first index from `least` on at which neither a character nor an escape sequence is cut in two. */
function cut(bytes: Uint8Array, start: number, least: number): number {
  let at = start;
  while (at < least && at < bytes.length) {
    if (bytes[at] === backslash) at += bytes[at + 1] === smallU ? 6 : 2;
    else at++;
  }
  while (((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}

function parsed(content: string): string {
  try {
    return JSON.parse(`"${content}"`) as string;
  } catch (error) {
    throw new JsonError((error as Error).message, { cause: error });
  }
}
