/**
 * Decodes the bytes of a session's document, within the limits of what is stored. Pure.
 *
 * The room store/document/ owns the bytes of sessions and reports: how they are encoded and decoded, and how
 * large and deep they may be. It does not know where a backend keeps them.
 */
import { isUtf8 } from "node:buffer";
import { wording } from "../../contract/wording.ts";
import { JsonError, parseJson } from "../../json/exact-json.ts";
import { parseJsonInSlices } from "../../json/parse-in-slices.ts";
import { type Session, sessionSchema, withPlainRevision } from "../../session/session.ts";
import { isSession } from "../../session/session-check.ts";

/**
 * Levels of nesting; a deeper document is unreadable. The limit of requests is lower, so what was accepted
 * stays readable.
 */
export const maxStoredDepth = 500;

/**
 * The size of the largest document that is read or written: below the longest string that the engine can
 * hold.
 */
export const maxStoredBytes = 256 * 1024 * 1024;

/** Why the bytes of a file are not a session. */
export class UnreadableError extends Error {}

/** Space, tab, line breaks, and the bytes of a byte order mark, which the decoder drops. */
const whitespace = [0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf];
const openBrace = 0x7b;

/** @throws UnreadableError */
export function decodeSession(bytes: Uint8Array): Session {
  const text = textOf(bytes);
  try {
    return checked(parseJson(text, maxStoredDepth));
  } catch (error) {
    throw unreadable(error);
  }
}

/** As `decodeSession`, a piece at a time. */
export async function decodeSessionInSlices(bytes: Uint8Array): Promise<Session> {
  assertObject(bytes);
  if (!isUtf8(bytes)) throw notUtf8();
  try {
    return checked(await parseJsonInSlices(withoutMark(bytes), maxStoredDepth));
  } catch (error) {
    throw unreadable(error);
  }
}

function textOf(bytes: Uint8Array): string {
  assertObject(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notUtf8();
  }
}

/** Checked first, so that a large file is not parsed in vain. */
function assertObject(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new UnreadableError("the file is empty");
  const first = bytes.find((byte) => !whitespace.includes(byte));
  if (first !== openBrace) throw new UnreadableError("not a session: the document is not a JSON object");
}

function notUtf8(): UnreadableError {
  return new UnreadableError("the file is not UTF-8");
}

/** Without a byte order mark, which the decoder drops too. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return isMarked ? bytes.subarray(3) : bytes;
}

function checked(value: unknown): Session {
  if (isSession(value)) return value;
  const result = sessionSchema.safeParse(value, { error: wording });
  if (result.success) return withPlainRevision(value as Session);
  const [issue] = result.error.issues;
  throw new UnreadableError(`not a session: ${issue?.path.join(".") || "the document"}: ${issue?.message}`);
}

function unreadable(error: unknown): unknown {
  return error instanceof JsonError ? new UnreadableError(`not valid JSON: ${error.message}`) : error;
}

export function tooLarge(bytes: number): string {
  return `the document has ${bytes} bytes; at most ${maxStoredBytes} can be stored`;
}
