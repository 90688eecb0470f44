/**
 * Fits the long help of a command to the width of the terminal, as commander does with the rest of the help.
 */
import type { Command } from "commander";

/** Where the output is no terminal, and at most where it is: longer lines are hard to read. */
const usualColumns = 80;
const mostColumns = 110;

/**
 * Adds a text after the options. Its paragraphs are wrapped; a line that begins with two blanks stays as it
 * is, such as an example to copy.
 */
export function addHelp(command: Command, text: string): Command {
  return command.addHelpText("after", () => {
    const columns = command.configureOutput().getOutHelpWidth?.() ?? usualColumns;
    return wrapParagraphs(text, Math.min(columns, mostColumns));
  });
}

export function wrapParagraphs(text: string, columns: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0) lines.push(...wrap(paragraph.join(" "), columns));
    paragraph = [];
  };
  for (const line of text.split("\n")) {
    if (line !== "" && !line.startsWith("  ")) paragraph.push(line);
    else {
      flush();
      lines.push(line);
    }
  }
  flush();
  return lines.join("\n");
}

/** A word that is longer than the line has a line of its own. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
