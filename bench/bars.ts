/** The targets of the benchmark, and whether each is reached. A ratio compares rounds that ran in turn. */
import { pairedRatio, rounded } from "./measure.ts";
import type { PeerName } from "./peers/all.ts";
import { postgresBars } from "./postgres/table.ts";
import type { Bar, Results } from "./results.ts";
import type { Throughput } from "./rounds.ts";
import type { SharedRun } from "./shared-runs.ts";
import { count } from "./table.ts";

export function bars(results: Results): Bar[] {
  const list: Bar[] = [];
  const add = (
    bar: string,
    wanted: "at least" | "at most",
    limit: number,
    measured: number | undefined,
    isJudged = true,
  ) => {
    const isKnown = measured !== undefined && !Number.isNaN(measured);
    list.push({
      bar,
      wanted: `${wanted} ${limit}`,
      measured: isKnown ? rounded(measured) : null,
      pass: isKnown && isJudged ? (wanted === "at least" ? measured >= limit : measured <= limit) : null,
    });
  };

  const { waiting, in_flight: inFlight, growth, bytes, start, jobs, pacing, shared } = results;
  if (waiting !== undefined) {
    const at = (workers: number, peer: PeerName) => find(waiting.peers, workers, peer);
    add(
      "64 workers waiting for each ack: reports/s of the channel to those of Redis",
      "at least",
      0.8,
      rates(at(64, "sessiond, channel"), at(64, "Redis")),
    );
    add(
      "16 workers waiting for each ack: reports/s of the channel to those of Redis",
      "at least",
      0.75,
      rates(at(16, "sessiond, channel"), at(16, "Redis")),
    );
    const [ours, theirs] = [at(1, "sessiond, channel"), at(1, "Redis")];
    add(
      "1 worker: p50 of the channel to that of Redis",
      "at most",
      1.1,
      ours && theirs && ours.p50_ms / theirs.p50_ms,
    );
  }
  if (inFlight !== undefined) {
    for (const workers of [1, 16, 64]) {
      const at = (peer: PeerName) => find(inFlight.peers, workers, peer);
      const ours = at("sessiond, library");
      const name = `${workers} worker${workers === 1 ? "" : "s"} with many in flight: files/s of the library to those of`;
      add(`${name} Redis with auto-pipelining`, "at least", 2.4, rates(ours, at("Redis")));
      add(`${name} the bare loop`, "at least", 0.5, rates(ours, at("bare journal loop")));
    }
  }
  if (growth !== undefined) {
    const entryOf = (files: number, peer: PeerName) =>
      growth.find((entry) => entry.files === files && entry.peer === peer);
    const at = (files: number, peer: PeerName) => entryOf(files, peer)?.rounds;
    const ours = at(100_000, "sessiond, channel");
    const reports = entryOf(100_000, "sessiond, channel")?.reports ?? 0;
    add(
      `a report in a session of 100,000 files to one in a session of 100, over ${count(reports)} reports`,
      "at most",
      1.2,
      ratio(ours, at(100, "sessiond, channel")),
      // With fewer reports, most of the cost is the one rewrite of the JSON file at the end.
      reports >= 20_000,
    );
    add(
      "100,000 files: time for a report of LangGraph to that of the channel",
      "at least",
      300,
      ratio(at(100_000, "LangGraph SqliteSaver"), ours),
    );
  }
  if (bytes !== undefined) {
    const times = (peer: PeerName, window: number) =>
      bytes.find((entry) => entry.peer === peer && entry.window === window)?.times;
    add(
      "bytes written for each of 100,000 reports, many in flight, to its own",
      "at most",
      3,
      times("sessiond, library", 1000),
    );
    if (results.mode === "full") {
      add(
        "bytes written for each of 100,000 reports, each waited for, to its own (a page for each sync is 19)",
        "at most",
        3,
        times("sessiond, channel", 1),
      );
    }
  }
  if (start !== undefined) {
    const at = (who: string) =>
      start.list.find((entry) => entry.files === 100_000 && entry.who === who)?.rounds;
    add(
      "start with 100,000 unchanged sessions to a stat of all",
      "at most",
      2,
      ratio(at("sessiond, next start"), at("Node.js, stat all")),
    );
    add("bytes of memory for each of 100,000 sessions", "at most", 2048, start.rss_bytes_per_session);
  }
  if (jobs !== undefined) {
    const of = (who: string) => jobs.find((entry) => entry.who === who)?.rounds;
    add(
      "trivial jobs: wall time of sessionctl run to that of GNU parallel",
      "at most",
      1,
      ratio(of("sessionctl run"), of("GNU parallel")),
    );
  }
  if (shared !== undefined) {
    const of = (who: SharedRun["who"]) => shared.find((entry) => entry.who === who)?.rounds;
    add(
      "trivial files of one session: wall time of 4 runners with one at once each to that of 1 with 4",
      "at most",
      1.15,
      ratio(of("4 runners, one at once each"), of("1 runner, 4 at once")),
      // With few files, most of the time is the start of four processes in place of one.
      results.mode === "full",
    );
  }
  const paced = pacing?.find(({ who }) => who === "sessionctl run");
  if (paced !== undefined) {
    const what = `${count(paced.calls)} calls to a service with a limit`;
    // With few calls, the waits at the beginning are most of the time.
    const isJudged = results.mode === "full";
    add(
      `${what}: time of sessionctl run to the shortest possible`,
      "at most",
      1.15,
      paced.times_best,
      isJudged,
    );
    add(`${what}: percentage of refused calls`, "at most", 5, paced.refused_percent);
  }
  if (results.postgres) postgresBars(results.postgres, add);
  for (const [where, stall, isJudged] of stalls(results)) {
    add(`longest stall of the event loop in ms, ${where}`, "at most", 50, stall, isJudged);
  }
  return list;
}

function find(list: readonly Throughput[], workers: number, peer: PeerName): Throughput | undefined {
  return list.find((entry) => entry.workers === workers && entry.peer === peer);
}

function rates(over: Throughput | undefined, under: Throughput | undefined): number | undefined {
  return ratio(over?.rounds, under?.rounds);
}

function ratio(
  over: readonly number[] | undefined,
  under: readonly number[] | undefined,
): number | undefined {
  return over && under && pairedRatio(over, under);
}

function stalls({
  waiting,
  in_flight,
  growth,
  bytes,
  whole,
  start,
  list,
  outside,
  cleanup,
}: Results): [string, number, boolean][] {
  const parts: [string, { stall_ms: number | null }[] | undefined, isJudged?: false][] = [
    ["reports that are waited for", waiting?.peers],
    ["many reports in flight", in_flight?.peers],
    ["sessions up to 100,000 files", growth?.filter(({ files }) => files <= 100_000)],
    [
      "reports in a session of over 100 MB (not judged)",
      growth?.filter(({ files }) => files > 100_000),
      false,
    ],
    ["100,000 files in one go", bytes],
    ["all of a session of 100,000 files", whole?.filter(({ files }) => files <= 100_000)],
    ["all of a session of over 100 MB (not judged)", whole?.filter(({ files }) => files > 100_000), false],
    ["start", start?.list],
    ["lists of 100,000", list],
    ["outside writes", outside],
    ["cleanup of 10,000", cleanup],
  ];
  return parts.flatMap(([where, entries, isJudged = true]) => {
    const known = (entries ?? []).map(({ stall_ms }) => stall_ms).filter((stall) => stall !== null);
    return known.length === 0 ? [] : [[where, Math.max(...known), isJudged] as [string, number, boolean]];
  });
}
