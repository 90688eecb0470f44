/** Prints the output of each file of a run. */

import type { FileResult } from "../../runner/result.ts";
import type { FileEnd } from "../../runner/runner-options.ts";
import type { Choice } from "../../runner/selection.ts";
import { formatSize } from "../../text/size.ts";
import type { Context } from "../context.ts";
import { jsonText } from "../output.ts";
import type { ProgressDisplay } from "../progress/display.ts";
import { safe } from "../terminal-text.ts";
import { tagged, tagOf } from "./tag.ts";

export interface ShowOptions {
  readonly context: Context;
  readonly display: ProgressDisplay;
  /** Whether a bar is drawn on the terminal, which output must not break. */
  readonly isDrawn: boolean;
  readonly outputLimit: number;
  readonly hasResultsDir: boolean;
  /** Whether each line begins with the name of its file. */
  readonly tag: boolean;
}

/** Returns the hook that prints a file. It resolves when the output is written; outputs are never mixed. */
export function showEnds(options: ShowOptions) {
  const { context, display, isDrawn, outputLimit, hasResultsDir, tag } = options;
  const { out, process } = context;
  const isErrorSeen = process.stderr.isTTY === true;
  const pieces = (output: Buffer, file: string, toTerminal: boolean): Iterable<Buffer> =>
    tag ? tagged(output, tagOf(file, { toTerminal })) : [output];
  let isTruncationSaid = false;
  const tellOf = ({ file, result }: FileEnd) => {
    if (result.error !== undefined) display.say(`${safe(file)}: ${safe(result.error)}`);
    if (result.truncated === undefined || isTruncationSaid) return;
    isTruncationSaid = true;
    const where = hasResultsDir ? "" : " (to keep all of it, add --results)";
    display.say(
      `${safe(file)} wrote more than ${formatSize(outputLimit)}: only the beginning and the end are recorded${where}; ` +
        'this message is not repeated for other files: see "truncated" in sessionctl results',
    );
  };
  return async (end: FileEnd): Promise<void> => {
    tellOf(end);
    if (out.json) {
      await out.bytes(Buffer.from(`${jsonLine(end.file, end.result)}\n`));
      return;
    }
    if (out.quiet) return;
    const { file, stdout, stderr } = end;
    if (isDrawn && out.toTerminal) sayAll(display, pieces(stdout, file, true));
    else
      for (const piece of pieces(stdout, file, out.toTerminal)) if (piece.length > 0) await out.bytes(piece);
    if (isDrawn) sayAll(display, pieces(stderr, file, isErrorSeen));
    else
      for (const piece of pieces(stderr, file, isErrorSeen))
        if (piece.length > 0) process.stderr.write(piece);
  };
}

/** A choice, or a remark about a name. */
export type Explained = Choice | { readonly file: string; readonly action: "note"; readonly reason: string };

export function choiceLine(
  { file, action, reason }: Explained,
  { json, toTerminal }: { json: boolean; toTerminal: boolean },
): string {
  if (json) return jsonText({ file, action, reason }, 0);
  const shown = (text: string) => (toTerminal ? safe(text) : text);
  return `${action.padEnd(4)}  ${shown(file)}  (${shown(reason)})`;
}

function jsonLine(file: string, result: FileResult): string {
  return jsonText({ file, ...result }, 0);
}

function sayAll(display: ProgressDisplay, pieces: Iterable<Buffer>): void {
  const output = Buffer.concat([...pieces]);
  if (output.length > 0) display.say(output.toString().replace(/\n$/, ""));
}
