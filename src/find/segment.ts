/** Compiles one part of a pattern, between slashes, into a name or what a name must match. Pure. */
import { Matcher } from "@isaacs/nonrecursive-glob-match";

/** The part `**`: any number of directories, including none. */
export const anyDepth = Symbol("**");

/** One part of a pattern: a name as it is, what a name must match, or `**`. */
export type Segment = string | Matcher | typeof anyDepth;

const escaped = /\\(.)/gsu;
const wildcard = /[*?]|\[.+\]|[@+!]\(.*\)/s;

/** If `dot` is false, wildcards do not match the dot at the beginning of a name. */
export function compileSegment(text: string, dot: boolean): Segment {
  if (text === "**") return anyDepth;
  const isName = !wildcard.test(text.replace(escaped, "_"));
  return isName ? text.replace(escaped, "$1") : new Matcher(text, { dot });
}

/** Whether a name, which holds no slash, is what a part other than `**` means. */
export function matches(segment: Segment | undefined, name: string): boolean {
  return segment instanceof Matcher ? segment.testUnchecked(name) : segment === name;
}

/** Whether it is the part `*`. */
export function isAnyName(segment: Segment | undefined): boolean {
  return segment instanceof Matcher && segment.pattern === "*";
}
