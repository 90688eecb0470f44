/** A rate as an average in which the past fades. Pure: the caller gives the times. */

export interface Rate {
  readonly atMs: number;
  readonly count: number;
  /** Time and completions since the start. */
  readonly seenMs: number;
  readonly seenCount: number;
  /** The same, with each interval weighted by how recent it is. */
  readonly fadedMs: number;
  readonly fadedCount: number;
}

export interface Enough {
  /** Milliseconds. */
  seenMs: number;
  seenCount: number;
}

/** From less than this no rate is shown. */
const enoughForPeople: Enough = { seenMs: 2000, seenCount: 3 };

/** The average spans about this many completions, so that slow work has a steady rate, within these times. */
const spannedCount = 20;
const shortestSpanMs = 20_000;
const longestSpanMs = 7_200_000;

/** A rate that starts now; `count` is what was done before. */
export function startRate(atMs: number, count: number): Rate {
  return { atMs, count, seenMs: 0, seenCount: 0, fadedMs: 0, fadedCount: 0 };
}

/** Adds a new count. A count lower than before starts a new rate: the work was started over. */
export function observe(rate: Rate, atMs: number, count: number): Rate {
  if (count < rate.count) return startRate(Math.max(atMs, rate.atMs), count);
  const elapsedMs = atMs - rate.atMs;
  // Two counts at the same time have no rate; the next interval includes the difference.
  if (!(elapsedMs > 0)) return rate;
  const more = count - rate.count;
  const seenMs = rate.seenMs + elapsedMs;
  const seenCount = rate.seenCount + more;
  const spanMs = Math.min(Math.max((spannedCount * seenMs) / seenCount, shortestSpanMs), longestSpanMs);
  const faded = elapsedMs / spanMs;
  const kept = Math.exp(-faded);
  // The mean weight over the interval, as if its completions were spread evenly. The shortest interval that a
  // number can hold fades by nothing.
  const weight = faded > 0 ? -Math.expm1(-faded) / faded : 1;
  return {
    atMs,
    count,
    seenMs,
    seenCount,
    fadedMs: rate.fadedMs * kept + elapsedMs * weight,
    fadedCount: rate.fadedCount * kept + more * weight,
  };
}

/**
 * Completions per second, between the slowest and the fastest interval; undefined until there is enough to
 * tell.
 */
export function perSecond(rate: Rate, enough: Enough = enoughForPeople): number | undefined {
  if (rate.seenMs < enough.seenMs || rate.seenCount < enough.seenCount || rate.fadedMs <= 0) return undefined;
  return (rate.fadedCount / rate.fadedMs) * 1000;
}

const longestEtaMs = 99 * 86_400_000;

/** Milliseconds until the rest is done; undefined if the rate is unknown or very low. */
export function etaMs(perSecond: number | undefined, rest: number): number | undefined {
  if (rest <= 0) return 0;
  if (perSecond === undefined || perSecond <= 0) return undefined;
  const eta = (rest / perSecond) * 1000;
  return eta <= longestEtaMs ? eta : undefined;
}
