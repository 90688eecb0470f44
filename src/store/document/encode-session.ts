/**
 * Encodes a session as the bytes of its document: two-space indent, non-ASCII as it is, a newline at the end.
 * Works a piece at a time, so that a large session does not hold others up. Pure.
 */
import { yieldIfDue } from "../../async/slices.ts";
import { SessiondError } from "../../error.ts";
import { JsonError, type JsonValue } from "../../json/exact-json.ts";
import { isSmall, jsonPieces } from "../../json/write-in-slices.ts";
import type { Session } from "../../session/session.ts";
import type { Result } from "../../session/working/result-map.ts";
import type { SessionParts } from "../../session/working/working-session.ts";
import { maxStoredBytes, maxStoredDepth, tooLarge, UnreadableError } from "./decode-session.ts";

const pieceLength = 64 * 1024;

/** What `encodeSession` takes, of a whole document. */
export function partsOf(session: Session): SessionParts {
  return {
    frame: session,
    processed: session.processed_files,
    pending: session.pending_files,
    results: pairsOf(session.partial_results),
  };
}

/** As Object.entries, one pair at a time: for many results Object.entries takes long. */
function* pairsOf(results: Session["partial_results"]): Generator<readonly [string, JsonValue]> {
  for (const key of Object.keys(results)) yield [key, results[key] as JsonValue];
}

/**
 * Resolves with the bytes of the session as it was at the call.
 *
 * @throws SessiondError `payload_too_large`, `invalid_request`
 */
export async function encodeSession(parts: SessionParts): Promise<Buffer> {
  try {
    return await encodePieces(parts);
  } catch (error) {
    if (error instanceof UnreadableError) throw new SessiondError("payload_too_large", error.message);
    if (error instanceof JsonError) {
      throw new SessiondError("invalid_request", `the session cannot be stored: ${error.message}`);
    }
    throw error;
  }
}

async function encodePieces({ frame, processed, pending, results }: SessionParts): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;

  async function add(text: string): Promise<void> {
    const piece = Buffer.from(text);
    size += piece.length;
    if (size > maxStoredBytes) throw new UnreadableError(tooLarge(size));
    pieces.push(piece);
    await yieldIfDue();
  }

  async function addItems<T>(
    items: Iterable<T>,
    open: string,
    close: string,
    encode: (item: T) => string | Iterable<string>,
  ): Promise<void> {
    let piece = open;
    let count = 0;
    for (const item of items) {
      piece += `${count++ === 0 ? "" : ","}\n    `;
      const encoded = encode(item);
      if (typeof encoded === "string") piece += encoded;
      else {
        await add(piece);
        for (const part of encoded) await add(part);
        piece = "";
      }
      if (piece.length < pieceLength) continue;
      await add(piece);
      piece = "";
    }
    return add(count === 0 ? open + close : `${piece}\n  ${close}`);
  }

  const lists: Readonly<Record<string, readonly string[]>> = {
    processed_files: processed,
    pending_files: pending,
  };
  let separator = "{";
  for (const [key, value] of Object.entries(frame)) {
    if (value === undefined) continue;
    await add(`${separator}\n  ${JSON.stringify(key)}: `);
    separator = ",";
    const list = Object.hasOwn(lists, key) ? lists[key] : undefined;
    if (list !== undefined) await addItems(list, "[", "]", (file) => JSON.stringify(file));
    else if (key === "partial_results") await addItems(results, "{", "}", encodeResult);
    else for (const part of indented(value as JsonValue, 1)) await add(part);
  }
  await add("\n}\n");
  return Buffer.concat(pieces, size);
}

/** A large result in pieces, any other at once. */
function encodeResult([name, result]: Result): string | Iterable<string> {
  const key = `${JSON.stringify(name)}: `;
  if (!isSmall(result)) return withKey(key, indented(result, 2));
  let text = key;
  for (const piece of indented(result, 2)) text += piece;
  return text;
}

function* withKey(key: string, pieces: Iterable<string>): Generator<string> {
  yield key;
  yield* pieces;
}

/** A value as JSON in pieces, indented for its level. */
function indented(value: JsonValue, level: number): Iterable<string> {
  return jsonPieces(value, { indent: 2, level, maxDepth: maxStoredDepth - level });
}
