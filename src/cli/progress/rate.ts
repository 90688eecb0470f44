/** How fast something advances: an average in which the past fades. Pure: times come with the counts. */

export interface Rate {
  readonly atMs: number;
  readonly count: number;
  /** All that was seen since the beginning. */
  readonly seenMs: number;
  readonly seenCount: number;
  /** What still counts of it: each interval's count and length, by how recent it is. */
  readonly fadedMs: number;
  readonly fadedCount: number;
}

export interface Enough {
  /** Milliseconds. */
  seenMs: number;
  seenCount: number;
}

/** Fewer completions say little, and less time says less. */
const enoughForPeople: Enough = { seenMs: 2000, seenCount: 3 };

/** The average spans about this many completions, so that slow work gives a steady figure, within these times. */
const spannedCount = 20;
const shortestSpanMs = 20_000;
const longestSpanMs = 7_200_000;

/** What was done before now is not this rate's. */
export function startRate(atMs: number, count: number): Rate {
  return { atMs, count, seenMs: 0, seenCount: 0, fadedMs: 0, fadedCount: 0 };
}

/** Takes a new count into account. One that is lower than before begins anew: somebody did it over. */
export function observe(rate: Rate, atMs: number, count: number): Rate {
  if (count < rate.count) return startRate(Math.max(atMs, rate.atMs), count);
  const elapsedMs = atMs - rate.atMs;
  // Without time between them two counts have no rate; the next interval takes in the difference.
  if (!(elapsedMs > 0)) return rate;
  const more = count - rate.count;
  const seenMs = rate.seenMs + elapsedMs;
  const seenCount = rate.seenCount + more;
  const spanMs = Math.min(Math.max((spannedCount * seenMs) / seenCount, shortestSpanMs), longestSpanMs);
  const faded = elapsedMs / spanMs;
  const kept = Math.exp(-faded);
  // The mean weight over the interval, as if its completions were spread over it evenly.
  const weight = -Math.expm1(-faded) / faded;
  return {
    atMs,
    count,
    seenMs,
    seenCount,
    fadedMs: rate.fadedMs * kept + elapsedMs * weight,
    fadedCount: rate.fadedCount * kept + more * weight,
  };
}

/** Completions per second; undefined until enough was seen. It lies between the slowest and the fastest interval. */
export function perSecond(rate: Rate, enough: Enough = enoughForPeople): number | undefined {
  if (rate.seenMs < enough.seenMs || rate.seenCount < enough.seenCount || rate.fadedMs <= 0) return undefined;
  return (rate.fadedCount / rate.fadedMs) * 1000;
}

const longestEtaMs = 99 * 86_400_000;

/** Milliseconds until the rest is done; undefined where the rate is unknown, or too slow to say. */
export function etaMs(perSecond: number | undefined, rest: number): number | undefined {
  if (rest <= 0) return 0;
  if (perSecond === undefined || perSecond <= 0) return undefined;
  const eta = (rest / perSecond) * 1000;
  return eta <= longestEtaMs ? eta : undefined;
}
