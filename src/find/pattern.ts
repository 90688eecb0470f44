/** Reads a pattern of files: its braces, its fixed beginning, and the parts after that. Pure. */
import { expandBraces } from "./braces.ts";
import { PatternError } from "./pattern-error.ts";
import { anyDepth, compileSegment, type Segment } from "./segment.ts";

/** One of the patterns that a pattern with braces stands for. */
export interface Branch {
  /** The parts before the first wildcard, as a path: `src`, `../..`, `/data`, or empty. */
  readonly base: string;
  /** The parts from the first wildcard on. Empty if there is none. */
  readonly segments: readonly Segment[];
  /** It ends in a slash, so it names directories only. */
  readonly isDirectory: boolean;
}

export interface PatternOptions {
  /** Whether wildcards match the dot at the beginning of a name. */
  readonly dot: boolean;
}

/**
 * @throws PatternError if the pattern begins with `!`, or goes up after a wildcard, or stands for too much
 */
export function parsePattern(pattern: string, { dot }: PatternOptions): Branch[] {
  if (/^!(?!\()/.test(pattern)) {
    throw new PatternError("it begins with !; to leave files out, use --exclude; for a file name, write \\!");
  }
  return expandBraces(pattern).map((text) => parse(text.replace(/\\(.)/gs, plainSlash), dot));
}

/** The path of what is called `name` in the directory `directory`. */
export function within(directory: string, name: string): string {
  return directory === "" || directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

function plainSlash(escaped: string, character: string): string {
  return character === "/" ? "/" : escaped;
}

function parse(text: string, dot: boolean): Branch {
  const segments = text
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .map((part) => compileSegment(part, dot))
    .filter((segment, index, all) => segment !== anyDepth || all[index - 1] !== anyDepth);
  // At the end, `**` stands for whatever is in the directory, but not for the directory.
  if (segments.at(-1) === anyDepth) segments.push(compileSegment("*", dot));
  // U+FFFD stands for bytes that are not UTF-8, which only the directory knows.
  const wildcard = segments.findIndex((part) => typeof part !== "string" || part.includes("\ufffd"));
  const fixed = wildcard === -1 ? segments : segments.slice(0, wildcard);
  const rest = wildcard === -1 ? [] : segments.slice(wildcard);
  if (rest.includes(".."))
    throw new PatternError("it goes up (..) after a wildcard; begin with the directory that you mean");
  const start = /^\.?\//.exec(text)?.[0] ?? "";
  return {
    base: fixed.reduce<string>((path, name) => within(path, name as string), start),
    segments: rest,
    isDirectory: /(^|\/)\.{0,2}$/.test(text),
  };
}
