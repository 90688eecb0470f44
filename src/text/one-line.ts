/**
 * A name as a part of a line: line breaks and tabs in it, which would break lines and columns, are escaped.
 */
export function oneLine(name: string): string {
  return name.replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\r", "\\r");
}
