/** Compiles one part of a pattern, between slashes, into a name or a regular expression. Pure. */
import { bracketsAt } from "./brackets.ts";

/** The part `**`: any number of directories, including none. */
export const anyDepth = Symbol("**");

/** One part of a pattern: a name as it is, what a name must match, or `**`. */
export type Segment = string | RegExp | typeof anyDepth;

/** Fails where a wildcard would match the dot that a name begins with. */
const noLeadingDot = "(?!^\\.)";

/** If `dot` is false, wildcards do not match the dot at the beginning of a name. */
export function compileSegment(text: string, dot: boolean): Segment {
  if (text === "**") return anyDepth;
  const translation = new Translation(dot ? "" : noLeadingDot);
  const source = translation.of(text);
  if (translation.isLiteral) return unescaped(text);
  return new RegExp(`^${translation.hasGroups ? source : withoutRetries(source, translation.star)}$`, "su");
}

/**
 * What follows a `*` may match at the first place where it can: if the rest does not match then, it never
 * does. Without this, a name of 255 dashes would keep `*-*-*-*-*-*.js` busy for hours.
 */
function withoutRetries(source: string, star: string): string {
  const parts = source.split(star);
  return parts.reduce((begin, part, index) => {
    const isLast = index === parts.length - 1;
    return begin + (isLast ? star + part : `(?=(${star}?${part}))\\${index}`);
  });
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gsu, "$1");
}

class Translation {
  isLiteral = true;
  hasGroups = false;
  /** The translation of `*`. Nothing else contains it. */
  readonly star: string;
  /** What comes before each wildcard. */
  readonly #before: string;

  constructor(before: string) {
    this.#before = before;
    this.star = `${before}.*`;
  }

  of(text: string): string {
    let source = "";
    for (let at = 0; at < text.length; ) {
      const character = text[at] as string;
      const group = /[?*+@!]/.test(character) && text[at + 1] === "(" ? groupAt(text, at + 2) : undefined;
      const brackets = character === "[" ? bracketsAt(text, at) : undefined;
      if (group !== undefined) {
        this.isLiteral = false;
        this.hasGroups = true;
        const inner = `(?:${group.parts.map((part) => this.of(part)).join("|")})`;
        if (character === "!") {
          const rest = this.of(text.slice(group.after));
          return `${source}${this.#before}(?!${inner}${rest}$).*?${rest}`;
        }
        source += character === "@" ? inner : `${inner}${character}`;
        at = group.after;
      } else if (brackets !== undefined) {
        this.isLiteral = false;
        source += this.#before + brackets.source;
        at = brackets.after;
      } else if (character === "*" || character === "?") {
        this.isLiteral = false;
        const wildcard = character === "*" ? this.star : `${this.#before}.`;
        if (character === "?" || !source.endsWith(this.star)) source += wildcard;
        at++;
      } else {
        const escaped = character === "\\" && at + 1 < text.length ? at + 1 : at;
        const [literal] = text.slice(escaped) as unknown as [string];
        source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
        at = escaped + literal.length;
      }
    }
    return source;
  }
}

interface Group {
  readonly parts: readonly string[];
  /** Index of what follows the closing parenthesis. */
  readonly after: number;
}

/** The alternatives between parentheses, from the index after the opening one. Undefined if they never end. */
function groupAt(text: string, start: number): Group | undefined {
  const parts: string[] = [];
  let depth = 1;
  let from = start;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "[") at = (bracketsAt(text, at)?.after ?? at + 1) - 1;
    else if (character === "(") depth++;
    else if (character === "|" && depth === 1) {
      parts.push(text.slice(from, at));
      from = at + 1;
    } else if (character === ")" && --depth === 0) {
      return { parts: [...parts, text.slice(from, at)], after: at + 1 };
    }
  }
  return undefined;
}
