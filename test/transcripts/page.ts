/**
 * Reads the transcripts of a Markdown page: blocks of code with commands after `$ `, and what those print.
 */

/** A command as people type it, and the lines below it. */
export interface Typed {
  command: string;
  /** Empty if the page does not show it. */
  output: string[];
}

/** A block of code, indented or fenced. */
export interface Block {
  /** The number of its first line in the page. */
  number: number;
  lines: string[];
}

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let fenced = false;
  let open: Block | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const isFence = line.startsWith("```");
    if (isFence) fenced = !fenced;
    const code = isFence ? undefined : fenced ? line : /^ {4}(.*)/.exec(line)?.[1];
    // A blank line is within an indented block if more of it follows.
    if (code === undefined && !isFence && line === "" && open !== undefined) {
      open.lines.push("");
    } else if (code === undefined) {
      open = undefined;
    } else {
      if (open === undefined) {
        open = { number: index + 1, lines: [] };
        blocks.push(open);
      }
      open.lines.push(code);
    }
  }
  return blocks;
}

export const isTranscript = ({ lines }: Block): boolean => lines.some((line) => line.startsWith("$ "));

export function typedIn({ lines }: Block): Typed[] {
  const typed: Typed[] = [];
  for (const line of lines) {
    if (line.startsWith("$ ")) typed.push({ command: line.slice(2), output: [] });
    else if (line !== "") typed.at(-1)?.output.push(line);
  }
  return typed;
}
