/** Quotes text for the command lines that people copy into a POSIX shell. */

/** Quotes the text as one word, if needed. Letters and digits of any script need no quotes. */
export function shellQuote(text: string): string {
  return /^[\p{L}\p{N}_@:,./+-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Quotes an operand, such as an id. One that begins with a dash gets `--` before it, so it must come last.
 */
export function shellOperand(text: string): string {
  return text.startsWith("-") ? `-- ${shellQuote(text)}` : shellQuote(text);
}
