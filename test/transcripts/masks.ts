/** Masks what differs from run to run, so that what a command printed can be compared with a page. */

const masks: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "(time)"],
  [/\b(?:just now|now)\b|\b\d+(?:\.\d+)? ?(?:ms|s|min|m|h|d)(?: ago)?(?= |$|[:;,)])/g, "(duration)"],
  [/(?:\d+(?:\.\d+)?|–)\/s/g, "(rate)"],
  [/\b(run|pid) \d+/g, "$1 (pid)"],
  [/\b\d+(?:\.\d+)? (?:B|[KMG]iB)(?= |$|[,)])/g, "(size)"],
  [/[█▒×·]{5,} +\d+%/g, "(bar)"],
  // Columns are as wide as what is in them.
  [/ {2,}/g, "  "],
];

export function masked(line: string, also: readonly RegExp[] = []): string {
  const own = also.reduce((text, mask) => text.replace(mask, "(…)"), line);
  return masks.reduce((text, [mask, name]) => text.replace(mask, name), own);
}

/** The expected lines, in which a line `…` stands for any lines that were printed there. */
export function withoutGap(expected: readonly string[], printed: readonly string[]): string[] {
  const gap = expected.indexOf("…");
  if (gap === -1) return [...expected];
  const left = printed.slice(gap, Math.max(gap, printed.length - (expected.length - 1 - gap)));
  return [...expected.slice(0, gap), ...left, ...expected.slice(gap + 1)];
}
