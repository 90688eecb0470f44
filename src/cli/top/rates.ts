/** The rates of sessions, from the differences between polls. Pure. */
import type { SessionSummary } from "../../session/session.ts";
import { type Enough, etaMs, observe, perSecond, type Rate, startRate } from "../progress/rate.ts";
import type { Poll } from "./poll.ts";

interface Tracked {
  readonly generation: string | null;
  readonly rate: Rate;
}

export type Rates = ReadonlyMap<string, Tracked>;

export const noRates: Rates = new Map();

/** How long sessions that are no longer polled are remembered. */
const rememberedMs = 60_000;

/** Adds a poll. A session that is not running, or that was created again, starts a new rate. */
export function trackRates(before: Rates, { sessions, atMs }: Poll): Rates {
  const now = new Map<string, Tracked>();
  for (const [id, tracked] of before) {
    if (atMs - tracked.rate.atMs <= rememberedMs) now.set(id, tracked);
  }
  for (const { session_id, status, generation, processed_count } of sessions) {
    const known = before.get(session_id);
    if (status !== "running") now.delete(session_id);
    else if (known === undefined || known.generation !== generation) {
      now.set(session_id, { generation, rate: startRate(atMs, processed_count) });
    } else {
      now.set(session_id, { generation, rate: observe(known.rate, atMs, processed_count) });
    }
  }
  return now;
}

export interface Speed {
  /** Files per second; undefined until there is enough to tell. */
  readonly perSecond: number | undefined;
  readonly etaMs: number | undefined;
}

export function speedOf(rates: Rates, session: SessionSummary, enough?: Enough): Speed {
  const tracked = rates.get(session.session_id);
  if (session.status !== "running" || tracked === undefined)
    return { perSecond: undefined, etaMs: undefined };
  const speed = perSecond(tracked.rate, enough);
  return { perSecond: speed, etaMs: speed === undefined ? undefined : etaMs(speed, session.pending_count) };
}
