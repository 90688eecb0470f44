/** `sessionctl top --once`: the sessions at one moment, as a view or as JSON. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionClient } from "../../client/session-client.ts";
import type { View } from "./frame.ts";
import { poll } from "./poll.ts";
import { noRates, speedOf, trackRates } from "./rates.ts";

const mostShown = 100;
/** Two polls must be enough for a rate. */
const enough = { seenMs: 1, seenCount: 1 };

export async function lookOnce(client: SessionClient, intervalMs: number): Promise<View> {
  const clockMs = () => performance.now();
  const first = await poll(client, mostShown, clockMs);
  const rests = first.stats.running === 0;
  if (!rests) await sleep(intervalMs);
  const second = rests ? first : await poll(client, mostShown, clockMs);
  const rates = trackRates(trackRates(noRates, first), second);
  return {
    poll: second,
    rates,
    enough,
    away: undefined,
    offset: 0,
    nowMs: Date.now(),
  };
}

/** The replies of the API, with the rate and ETA of each session. */
export function onceDocument({ poll, rates }: View): object {
  const { info, stats, health, cleanup, sessions } = poll;
  return {
    info,
    stats,
    health,
    cleanup,
    sessions: sessions.map((session) => {
      const { perSecond, etaMs } = speedOf(rates, session, enough);
      return {
        ...session,
        rate_per_second: perSecond ?? null,
        eta_ms: etaMs === undefined ? null : Math.round(etaMs),
      };
    }),
  };
}
