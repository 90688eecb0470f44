/** Begins each line of an output with the name of its file, as GNU parallel does with `--tag`. Pure. */
import { oneLine } from "../../text/one-line.ts";
import { safe } from "../terminal-text.ts";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
/** Pieces have about this many bytes, since many short lines grow a lot. */
const pieceSize = 64 * 1024;

/** What the lines of a file begin with, up to the tab. */
export function tagOf(file: string, { toTerminal }: { toTerminal: boolean }): string {
  return toTerminal ? safe(file) : oneLine(file);
}

/**
 * The output in pieces, each line with its tag and a tab before it. What follows a carriage return is a line
 * too, because a terminal draws it over the one before. A last line without a line break gets one, so that
 * the next file's output begins a line.
 */
export function* tagged(output: Buffer, tag: string): Generator<Buffer> {
  const prefix = Buffer.from(`${tag}\t`);
  let piece: Buffer[] = [];
  let size = 0;
  for (let at = 0; at < output.length; ) {
    const end = endOfLine(output, at);
    const line = output.subarray(at, end);
    piece.push(prefix, line);
    size += prefix.length + line.length;
    at = end;
    if (size < pieceSize) continue;
    yield Buffer.concat(piece);
    piece = [];
    size = 0;
  }
  if (output.length > 0 && output.at(-1) !== lineFeed) piece.push(Buffer.from("\n"));
  if (piece.length > 0) yield Buffer.concat(piece);
}

/** The place after the line that begins there. */
function endOfLine(output: Buffer, begin: number): number {
  for (let at = begin; at < output.length; at++) {
    if (output[at] === lineFeed) return at + 1;
    if (output[at] === carriageReturn && output[at + 1] !== lineFeed) return at + 1;
  }
  return output.length;
}
