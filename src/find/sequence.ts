/** Matches a path against the parts of a pattern, one name after another. Pure. */
import { anyDepth, matches, type Segment } from "./segment.ts";

export interface Sequence {
  readonly segments: readonly Segment[];
  /** Whether `**` goes into directories whose names begin with a dot. */
  readonly dot: boolean;
}

/** Which parts the next name may match, as indexes. The number of parts means: all of them are matched. */
export type Positions = readonly number[];

export function beginning({ segments }: Sequence): Positions {
  return segments[0] === anyDepth ? [0, 1] : [0];
}

/** Where the name leads from there. Empty if it does not match. */
export function step({ segments, dot }: Sequence, from: Positions, name: string): Positions {
  const next: number[] = [];
  for (const at of from) {
    const segment = segments[at];
    if (segment === undefined) continue;
    if (segment === anyDepth) {
      if (dot || !name.startsWith(".")) add(next, at, segments);
    } else if (matches(segment, name)) add(next, at + 1, segments);
  }
  return next;
}

export function isMatched({ segments }: Sequence, at: Positions): boolean {
  return at.includes(segments.length);
}

/**
 * Whether the name is the last that the sequence needs: as `isMatched` after `step`, without the positions.
 */
export function isCompleted({ segments }: Sequence, from: Positions, name: string): boolean {
  const last = segments.length - 1;
  return from.includes(last) && matches(segments[last], name);
}

/** Whether a path that goes on from there can match. */
export function goesOn({ segments }: Sequence, at: Positions): boolean {
  return at.some((position) => position < segments.length);
}

/** `**` may also stand for no directory. */
function add(positions: number[], at: number, segments: readonly Segment[]): void {
  if (!positions.includes(at)) positions.push(at);
  if (segments[at] === anyDepth && !positions.includes(at + 1)) positions.push(at + 1);
}
