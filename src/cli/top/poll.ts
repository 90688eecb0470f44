/** One poll of the daemon: a few replies from its index, however many sessions it has. */
import type { CallOptions } from "../../client/http/http.ts";
import type { ListSessionsQuery } from "../../client/http/query.ts";
import type { SessionClient } from "../../client/session-client.ts";
import type { Health, Info, ListedSession, Schedules, SessionPage, Stats } from "../../contract/replies.ts";
import type { Status } from "../../session/session.ts";

export interface Poll {
  /** When the sessions arrived, in milliseconds of a monotonic clock. */
  readonly atMs: number;
  readonly info: Info;
  readonly stats: Stats;
  readonly health: Health;
  readonly cleanup: Schedules;
  /** The first sessions, in the order of `order`. */
  readonly sessions: readonly ListedSession[];
}

/** Running sessions first, in an order that reports do not change; the others by their last checkpoint. */
const order: readonly (readonly [Status, NonNullable<ListSessionsQuery["sort"]>])[] = [
  ["running", "created_time"],
  ["paused", "checkpoint_time"],
  ["failed", "checkpoint_time"],
  ["completed", "checkpoint_time"],
];

/** The longest page of the API; for more, `sessionctl list` is the better tool. */
export const mostSessions = 1000;

/** @param wanted the most sessions to get */
export async function poll(
  client: SessionClient,
  wanted: number,
  nowMs: () => number,
  options?: CallOptions,
): Promise<Poll> {
  const [info, stats, health, cleanup] = await Promise.all([
    client.getInfo(options),
    client.getStats(options),
    client.getHealth(options),
    client.getCleanup({}, options),
  ]);
  let room = Math.min(wanted, mostSessions);
  const pages: Promise<SessionPage>[] = [];
  for (const [status, sort] of order) {
    const limit = Math.min(stats[status], room);
    if (limit > 0) pages.push(client.listSessions({ status, sort, limit }, options));
    room -= limit;
  }
  const sessions = (await Promise.all(pages)).flatMap((page) => page.sessions);
  return { atMs: nowMs(), info, stats, health, cleanup, sessions };
}
