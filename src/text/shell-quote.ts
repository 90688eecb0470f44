/** Words in command lines that people copy: a POSIX shell reads each as exactly the text that it stands for. */

/** The text as one word. Letters and digits of any script need no quotes. */
export function shellQuote(text: string): string {
  return /^[\p{L}\p{N}_@:,./+-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** An operand, such as an id: one that begins with a dash comes after `--`, so it has to be the last of its line. */
export function shellOperand(text: string): string {
  return text.startsWith("-") ? `-- ${shellQuote(text)}` : shellQuote(text);
}
