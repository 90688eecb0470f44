/** Encodes a live session exactly as `encodeSession` encodes its document, but a piece at a time. */
import { type JsonValue, stringifyJson } from "../json.ts";
import { Slices } from "../slices.ts";
import type { LiveSession } from "./live-session.ts";
import { maxStoredBytes, maxStoredDepth, tooLarge, UnreadableError } from "./session-file.ts";

const itemsPerPiece = 500;

/** The session as it was at the call, whatever is reported meanwhile. @throws UnreadableError if it is too large */
export async function encodeInSlices(live: LiveSession): Promise<{ bytes: Buffer; revision: number }> {
  const { frame, processed, pending, results } = live.parts();
  const slices = new Slices();
  const pieces: Buffer[] = [];
  let size = 0;

  async function add(text: string): Promise<void> {
    const piece = Buffer.from(text);
    size += piece.length;
    if (size > maxStoredBytes) throw new UnreadableError(tooLarge(size));
    pieces.push(piece);
    await slices.pause();
  }

  async function addItems<T>(
    items: readonly T[],
    open: string,
    close: string,
    encode: (item: T) => string,
  ): Promise<void> {
    if (items.length === 0) return add(open + close);
    for (let at = 0; at < items.length; at += itemsPerPiece) {
      const lines = items.slice(at, at + itemsPerPiece).map((item) => `    ${encode(item)}`);
      await add(`${at === 0 ? open : ","}\n${lines.join(",\n")}`);
    }
    return add(`\n  ${close}`);
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
    else if (key !== "partial_results") await add(indented(value as JsonValue, 1));
    else
      await addItems(
        results,
        "{",
        "}",
        ([name, result]) => `${JSON.stringify(name)}: ${indented(result, 2)}`,
      );
  }
  await add("\n}\n");
  return { bytes: Buffer.concat(pieces, size), revision: frame.revision ?? 1 };
}

/** Line breaks inside of strings are escaped, so every one there is belongs to the layout. */
function indented(value: JsonValue, level: number): string {
  const text = stringifyJson(value, { indent: 2, maxDepth: maxStoredDepth - level });
  return text.replaceAll("\n", `\n${"  ".repeat(level)}`);
}
