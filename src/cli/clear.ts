/** Clears what lines on a terminal replace. Pure. */

const clearLine = "\x1b[K";
/** From the cursor to the end of the screen. */
export const clearBelow = "\x1b[J";

/**
 * Lines that replace what is on the screen from the cursor on, which stands at the beginning of a line. Each
 * place is cleared before it is written: after a full line the cursor is still on the last column, and a
 * clear would empty that.
 */
export function cleared(lines: readonly string[]): string {
  return lines.map((line, at) => `${at < lines.length - 1 ? clearLine : clearBelow}${line}`).join("\r\n");
}
