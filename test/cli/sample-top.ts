/** Sample values for `sessionctl top`: a poll of the daemon, and the view of it. */
import type { View } from "../../src/cli/top/frame.ts";
import type { Poll } from "../../src/cli/top/poll.ts";
import { noRates, trackRates } from "../../src/cli/top/rates.ts";
import type { HealthProblem, Info, ListedSession, Schedules, Stats } from "../../src/contract/replies.ts";
import { sessionOf, workerOf } from "./sample-progress.ts";

export const nowMs = Date.parse("2026-01-02T03:04:08Z");

const info: Info = {
  name: "sessiond",
  version: "0.1.0",
  protocol_version: 1,
  node_version: "v20.19.0",
  pid: 4711,
  started_time: "2025-12-30T01:00:00.000000Z",
  uptime_ms: 3 * 86_400_000 + 7_500_000,
  store: {
    kind: "directory",
    location: "/var/lib/sessiond/sessions",
    changes_seen_by: "watching",
    last_reconcile_time: null,
    rescan_interval_ms: 60_000,
  },
  socket: "/run/sessiond/sessiond.sock",
  config_file: null,
  sessions: 12,
  workers: 2,
  log_lines_dropped: 0,
  rss_bytes: 70_000_000,
  connections: { open: 3, closed: 0, buffered_bytes: 0, cut: 0 },
};

export function jobOf(
  job: Schedules["jobs"][number]["job"],
  inHours: number | null,
  waiting = false,
): Schedules["jobs"][number] {
  return {
    job,
    enabled: true,
    rule: "keeps the newest",
    schedule: "0 3 * * *",
    timezone: "UTC",
    next_run: inHours === null ? null : new Date(nowMs + inHours * 3_600_000).toISOString(),
    last_run: null,
    waiting: waiting ? { plan_id: "p", since: "", remove: 40, total: 50, why: "too many" } : null,
  };
}

export function problemOf(message: string, session_id: string | null = null): HealthProblem {
  return { code: "unreadable_file", message, hint: "", session_id };
}

export const jobs = [
  jobOf("completed", 23.9),
  jobOf("expired", 0.5),
  jobOf("failed", 1),
  jobOf("trash", 1.5),
];

export const sessions: readonly ListedSession[] = [
  sessionOf("nightly", "running", {
    processed_count: 3350,
    pending_count: 1650,
    workers: [workerOf("run:4711", { epoch: 7 })],
  }),
  sessionOf("migrate-billing-to-v2", "running", {
    processed_count: 12,
    pending_count: 88,
    target_path: "/srv/billing",
    workers: [workerOf("laptop-of-somebody", { epoch: 8, connected: false })],
    checkpoint_time: "2026-01-02T03:03:01Z",
  }),
  sessionOf("会議室-レビュー", "running", { checkpoint_time: "2026-01-02T02:04:01Z" }),
  sessionOf("lint-monorepo", "paused", {
    processed_count: 41_000,
    pending_count: 59_000,
    status_reason: "the worker is lost",
    checkpoint_time: "2026-01-01T23:04:01Z",
  }),
  sessionOf("docs", "failed", {
    processed_count: 5,
    pending_count: 7,
    status_reason: "exit code 3",
    checkpoint_time: "2025-12-31T23:04:01Z",
  }),
  ...Array.from({ length: 7 }, (_, at) =>
    sessionOf(`done-${at}`, "completed", {
      processed_count: 100 + at,
      checkpoint_time: "2025-12-20T23:04:01Z",
    }),
  ),
];

export function pollOf(given: Partial<Poll> = {}): Poll {
  const all = given.sessions ?? sessions;
  const count = (status: string) => all.filter((session) => session.status === status).length;
  const stats: Stats = {
    total: all.length,
    running: count("running"),
    paused: count("paused"),
    completed: count("completed"),
    failed: count("failed"),
  };
  return {
    atMs: 0,
    info,
    stats,
    health: { status: "ok", problems: [] },
    cleanup: { jobs },
    sessions: all,
    ...given,
  };
}

/** After twenty seconds of polls, in which the first session got on by 12 files a second. */
export function viewOf(given: Partial<View> = {}, poll: Partial<Poll> = {}): View {
  let rates = noRates;
  for (let second = 0; second <= 20; second++) {
    const [first, ...others] = sessions as [ListedSession, ...ListedSession[]];
    const advanced = { ...first, processed_count: first.processed_count - (20 - second) * 12 };
    rates = trackRates(rates, pollOf({ atMs: second * 1000, sessions: [advanced, ...others] }));
  }
  return {
    poll: pollOf({ atMs: 20_000, ...poll }),
    rates,
    away: undefined,
    offset: 0,
    nowMs,
    ...given,
  };
}
