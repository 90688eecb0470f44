/** How fast sessions advance, from the difference between polls. Pure. */
import type { SessionSummary } from "../../session/session.ts";
import { type Enough, etaMs, observe, perSecond, type Rate, startRate } from "../progress/rate.ts";
import type { Poll } from "./poll.ts";

interface Tracked {
  readonly generation: string | null;
  readonly rate: Rate;
}

export type Rates = ReadonlyMap<string, Tracked>;

export const noRates: Rates = new Map();

/** Those that are scrolled out of sight are remembered for so long. */
const rememberedMs = 60_000;

/** Takes a poll into account. A session that does not run, or that was created anew, begins anew. */
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
  /** Files; undefined until enough was seen. */
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
