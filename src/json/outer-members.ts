/** Finds members of a JSON object without parsing the rest of its text. */
import { yieldIfDue } from "../async/slices.ts";
import { endOfLongString, endOfShortString } from "./long-string.ts";
import { closeBrace, closeBracket, colon, comma, openBrace, openBracket, quote } from "./syntax-bytes.ts";

/** How many bytes are looked at in one go. */
const piece = 256 * 1024;
/** A longer key or value is not looked at. */
const longest = 200;

/**
 * Resolves with the members that have one of these keys and a short value, as JSON.parse reads them: the last
 * one counts. What else is wrong in the text does not matter; the brackets must match in number.
 *
 * @throws Error if the text ends early, or if a key or a value that is looked at is no JSON
 */
export async function outerMembers(
  bytes: Buffer,
  keys: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  let level = 0;
  /** Where the member begins, and its colon, if that was seen. */
  let start = 0;
  let middle = -1;
  const take = (end: number) => {
    if (middle === -1 || middle - start > longest || end - middle > longest) return;
    const key = JSON.parse(bytes.toString("utf8", start, middle));
    if (keys.includes(key)) found[key] = JSON.parse(bytes.toString("utf8", middle + 1, end));
  };
  for (let at = 0; at < bytes.length; ) {
    const stop = Math.min(bytes.length, at + piece);
    for (; at < stop; at++) {
      switch (bytes[at]) {
        case quote: {
          const end = endOfShortString(bytes, at + 1, piece);
          at = end === -1 ? await endOfLongString(bytes, at + 1, piece) : end;
          break;
        }
        case openBracket:
        case openBrace:
          if (level++ === 0) start = at + 1;
          break;
        case closeBracket:
        case closeBrace:
          if (level-- === 1) take(at);
          break;
        case colon:
          if (level === 1) middle = at;
          break;
        case comma:
          if (level !== 1) break;
          take(at);
          start = at + 1;
          middle = -1;
      }
    }
    await yieldIfDue();
  }
  if (level !== 0) throw new Error("the brackets do not match");
  return found;
}
