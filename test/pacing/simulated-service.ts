/**
 * A service with a limit and a caller that paces its calls, in virtual time: hours pass in milliseconds. It
 * checks at each start what must always hold.
 */
import { Pacing } from "../../src/pacing/pacing.ts";

export interface Service {
  readonly calls: number;
  readonly atMost: number;
  /** A token bucket: how many calls it holds, and how many flow into it in a second. */
  readonly bucket: { readonly size: number; readonly perSecond: number };
  readonly callMs: number;
  /** How long a refusal takes. */
  readonly refusalMs?: number;
  /** The most calls that the service takes at once. */
  readonly mostAtOnce?: number;
  readonly namesTime: boolean;
  /** From when until when the service refuses everything, and names no time. */
  readonly down?: readonly [number, number];
  readonly seed: number;
}

export interface Outcome {
  readonly tookMs: number;
  readonly refused: number;
  /** Refusals while the service was down. */
  readonly refusedWhileDown: number;
}

/** Bounds the simulation, so that a caller which never succeeds ends. */
const mostStarts = 200_000;

export function simulate(service: Service): Outcome {
  const { bucket, atMost, callMs, refusalMs = callMs, mostAtOnce = atMost, down = [0, 0] } = service;
  const random = randomFrom(service.seed);
  const pacing = new Pacing({ atMost, maxDeferMs: 86_400_000, random });
  const underWay: { endsMs: number; end: () => void }[] = [];
  let nowMs = 0;
  let tokens = bucket.size;
  let filledMs = 0;
  let left = service.calls;
  let served = 0;
  let atOnce = 0;
  let earliestMs = 0;
  let starts = 0;
  const outcome = { refused: 0, refusedWhileDown: 0 };

  const start = () => {
    if (underWay.length >= atMost) throw new Error(`more than ${atMost} calls at once`);
    if (nowMs < earliestMs) throw new Error(`a call at ${nowMs}, although the service named ${earliestMs}`);
    if (++starts > mostStarts) throw new Error(`${served} calls were served in ${starts} tries`);
    left--;
    tokens = Math.min(bucket.size, tokens + ((nowMs - filledMs) * bucket.perSecond) / 1000);
    filledMs = nowMs;
    const isDown = nowMs >= down[0] && nowMs < down[1];
    const isServed = !isDown && tokens >= 1 && atOnce < mostAtOnce;
    const call = pacing.begin(nowMs);
    // Starting a command and noticing its end take time, and not always the same.
    const overheadMs = 8 + 6 * random();
    if (isServed) {
      tokens--;
      atOnce++;
      const end = () => {
        atOnce--;
        served++;
        pacing.succeeded(call);
      };
      underWay.push({ endsMs: nowMs + callMs + overheadMs, end });
      return;
    }
    outcome[isDown ? "refusedWhileDown" : "refused"]++;
    const asksMs =
      service.namesTime && !isDown ? 1000 * Math.ceil((1 - tokens) / bucket.perSecond) : undefined;
    const end = () => {
      left++;
      earliestMs = Math.max(earliestMs, nowMs + (asksMs ?? 0));
      pacing.refused(call, nowMs, asksMs);
    };
    underWay.push({ endsMs: nowMs + refusalMs + overheadMs, end });
  };

  while (served < service.calls) {
    while (left > 0 && pacing.startsInMs(nowMs) === 0) start();
    underWay.sort((a, b) => a.endsMs - b.endsMs);
    const [next] = underWay;
    // A timer is never early; with less than a microsecond of rounding it would be.
    const startsMs = left > 0 ? nowMs + pacing.startsInMs(nowMs) + 0.001 : Number.POSITIVE_INFINITY;
    if (next !== undefined && next.endsMs <= startsMs) {
      underWay.shift();
      nowMs = next.endsMs;
      next.end();
    } else nowMs = startsMs;
  }
  return { tookMs: nowMs, ...outcome };
}

/** The shortest possible time if the limit were known. */
export function bestMs({
  calls,
  atMost,
  bucket,
  callMs,
  mostAtOnce = atMost,
  down = [0, 0],
}: Service): number {
  const byBucket = ((calls - bucket.size) / bucket.perSecond) * 1000 + callMs;
  const byCalls = (calls * callMs) / Math.min(atMost, mostAtOnce);
  return Math.max(byBucket, byCalls) + down[1] - down[0];
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
