/** Quotes text for POSIX shells: for commands that are run, and for those that people are shown and paste. */
import { unseenCharacters } from "./safe.ts";

/** Quotes the text as one word, if needed. Letters and digits of any script need no quotes. */
export function shellQuote(text: string): string {
  return /^[\p{L}\p{N}_@:,./+-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Quotes the text as one word for people to read and paste: characters that control a terminal or are
 * invisible are written by `printf`, as not every shell knows `$'…'`. Line breaks at the end get lost.
 */
export function shownWord(text: string): string {
  if (text.search(unseenCharacters) === -1) return shellQuote(text);
  const format = text
    .replace(/[\\%]/g, "$&$&")
    // An interactive shell acts on `!` within double quotes.
    .replace(/['!]/g, octal)
    .replace(unseenCharacters, octal);
  return `"$(printf '${format}')"`;
}

function octal(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

/**
 * Quotes an operand, such as an id, as {@link shownWord} does. One that begins with a dash gets `--` before
 * it, so it must come last.
 */
export function shellOperand(text: string): string {
  return text.startsWith("-") ? `-- ${shownWord(text)}` : shownWord(text);
}
