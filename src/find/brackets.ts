/** Translates a set of characters in brackets, such as `[a-z]` or `[![:digit:]]`. Pure. */

export interface Brackets {
  /** A regular expression for one character. */
  readonly source: string;
  /** Index of what follows the closing bracket. */
  readonly after: number;
}

/** The classes of POSIX, as properties of Unicode. */
const classes: Readonly<Record<string, string>> = {
  alnum: "\\p{Alphabetic}\\p{Nd}",
  alpha: "\\p{Alphabetic}",
  blank: " \\t",
  cntrl: "\\p{Cc}",
  digit: "0-9",
  graph: "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}",
  lower: "\\p{Lowercase}",
  print: "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Zs}",
  punct: "\\p{P}\\p{S}",
  space: "\\s",
  upper: "\\p{Uppercase}",
  xdigit: "0-9A-Fa-f",
};

/** Undefined if the brackets never end: then the bracket at this index is an ordinary character. */
export function bracketsAt(text: string, open: number): Brackets | undefined {
  const isNegated = text[open + 1] === "!" || text[open + 1] === "^";
  const first = open + (isNegated ? 2 : 1);
  let set = "";
  for (let at = first; at < text.length; ) {
    if (text[at] === "]" && at > first) return { source: sourceOf(set, isNegated), after: at + 1 };
    const named = /^\[:([a-z]+):\]/.exec(text.slice(at, at + 12));
    if (named !== null) {
      set += classes[named[1] as string] ?? "";
      at += named[0].length;
      continue;
    }
    const low = characterAt(text, at);
    if (low === undefined) return undefined;
    const isRange = text[low.after] === "-" && text[low.after + 1] !== "]";
    const high = isRange ? characterAt(text, low.after + 1) : low;
    if (high === undefined) return undefined;
    // A range that goes backwards holds nothing.
    if (low.code <= high.code) set += `${escaped(low.code)}-${escaped(high.code)}`;
    at = high.after;
  }
  return undefined;
}

function sourceOf(set: string, isNegated: boolean): string {
  if (set === "") return isNegated ? "." : "(?!)";
  return `[${isNegated ? "^" : ""}${set}]`;
}

function characterAt(text: string, at: number): { code: number; after: number } | undefined {
  const start = text[at] === "\\" && at + 1 < text.length ? at + 1 : at;
  const code = text.codePointAt(start);
  return code === undefined ? undefined : { code, after: start + (code > 0xffff ? 2 : 1) };
}

function escaped(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
