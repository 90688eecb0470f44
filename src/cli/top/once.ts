/** One look at the sessions, as text or as values. A rate takes two polls. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionClient } from "../../client/session-client.ts";
import type { View } from "./frame.ts";
import { poll } from "./poll.ts";
import { noRates, speedOf, trackRates } from "./rates.ts";
import { WorkerNames } from "./workers.ts";

const mostShown = 100;
/** What was seen between two polls is all that will be. */
const enough = { seenMs: 1, seenCount: 1 };

export async function lookOnce(client: SessionClient, intervalMs: number): Promise<View> {
  const clockMs = () => performance.now();
  const first = await poll(client, mostShown, clockMs);
  const workers = new WorkerNames();
  await workers.ask(client, first.sessions, first.info.workers, clockMs(), { limit: 20 });
  const rests = first.stats.running === 0;
  if (!rests) await sleep(intervalMs);
  const second = rests ? first : await poll(client, mostShown, clockMs);
  const rates = trackRates(trackRates(noRates, first), second);
  return {
    poll: second,
    rates,
    workers: workers.names,
    enough,
    away: undefined,
    offset: 0,
    nowMs: Date.now(),
  };
}

/** The values of the API as they came, with what was made of them. */
export function onceDocument({ poll, rates, workers }: View): object {
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
        worker: workers.get(session.session_id) ?? null,
        rate_per_second: perSecond ?? null,
        eta_ms: etaMs === undefined ? null : Math.round(etaMs),
      };
    }),
  };
}
