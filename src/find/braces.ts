/** Expands the braces of a pattern: alternatives such as `{a,b}`, and ranges such as `{1..9}`. Pure. */
import { PatternError } from "./pattern-error.ts";

const maxPatterns = 10_000;
const maxDepth = 50;

interface Braces {
  /** Index of the opening brace, and of what follows the closing one. */
  readonly open: number;
  readonly after: number;
  readonly parts: readonly string[];
}

/**
 * The patterns that a pattern with braces stands for, in order. Braces that hold neither a comma nor a range
 * are ordinary characters, as in a shell.
 *
 * @throws PatternError if there are more than 10,000
 */
export function expandBraces(pattern: string, depth = 0): string[] {
  const braces = firstBraces(pattern);
  if (braces === undefined) return [pattern];
  if (depth > maxDepth) throw new PatternError(`its braces are nested more than ${maxDepth} deep`);
  const begin = pattern.slice(0, braces.open);
  const parts = braces.parts.flatMap((part) => expandBraces(part, depth + 1));
  const ends = expandBraces(pattern.slice(braces.after), depth + 1);
  if (parts.length * ends.length > maxPatterns)
    throw new PatternError(`its braces stand for more than ${maxPatterns} patterns`);
  return parts.flatMap((part) => ends.map((end) => begin + part + end));
}

function firstBraces(pattern: string): Braces | undefined {
  for (let open = 0; open < pattern.length; open++) {
    if (pattern[open] === "\\") open++;
    else if (pattern[open] === "{") {
      const found = bracesAt(pattern, open);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function bracesAt(pattern: string, open: number): Braces | undefined {
  const parts: string[] = [];
  let depth = 0;
  let from = open + 1;
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "," && depth === 1) {
      parts.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === "}" && --depth === 0) {
      const last = pattern.slice(from, at);
      const all = parts.length > 0 ? [...parts, last] : rangeOf(last);
      return all === undefined ? undefined : { open, after: at + 1, parts: all };
    }
  }
  return undefined;
}

/** `1..9`, `01..10` with leading zeros, `a..f`, each with an optional step as in `1..9..2`. */
function rangeOf(text: string): string[] | undefined {
  const match = /^(?:(-?\d{1,9})\.\.(-?\d{1,9})|([a-zA-Z])\.\.([a-zA-Z]))(?:\.\.(-?\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const [, first, last, from, to, step] = match;
  const isNumber = first !== undefined && last !== undefined;
  const begin = isNumber ? Number(first) : (from as string).charCodeAt(0);
  const end = isNumber ? Number(last) : (to as string).charCodeAt(0);
  const by = Math.abs(Number(step ?? 1)) || 1;
  const count = Math.floor(Math.abs(end - begin) / by) + 1;
  if (count > maxPatterns) throw new PatternError(`its braces stand for more than ${maxPatterns} patterns`);
  const isPadded = isNumber && (/^-?0\d/.test(first) || /^-?0\d/.test(last));
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  return Array.from({ length: count }, (_, index) => {
    const value = begin + (end < begin ? -index * by : index * by);
    return isNumber ? padded(value, width) : String.fromCharCode(value);
  });
}

function padded(value: number, width: number): string {
  const sign = value < 0 ? "-" : "";
  return sign + String(Math.abs(value)).padStart(width - sign.length, "0");
}
