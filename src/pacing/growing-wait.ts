/** Waits that double from one try to the next. Pure. */

export interface Growth {
  /** The first wait, in milliseconds; each later one is twice as long as the one before. */
  readonly firstMs: number;
  /** No later wait is longer than this, unless the first one is. */
  readonly longestMs: number;
}

const usualJitter = { share: 0.25, mostMs: Number.POSITIVE_INFINITY };

/**
 * Milliseconds to wait before the next try. `times` counts from 1. Jitter makes the wait longer, never
 * shorter.
 */
export function growingMs(times: number, { firstMs, longestMs }: Growth, random: () => number): number {
  const waitMs = Math.min(firstMs * 2 ** (times - 1), Math.max(firstMs, longestMs));
  return jittered(waitMs, usualJitter, random);
}

/** Adds a random part of up to this share, and at most so many milliseconds. */
export function jittered(
  ms: number,
  { share, mostMs }: { readonly share: number; readonly mostMs: number },
  random: () => number,
): number {
  return ms + Math.min(ms * share, mostMs) * random();
}
