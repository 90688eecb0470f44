/** Measures the time of a report in sessions of growing size, and how much is written for it. */
import type { Context } from "./context.ts";
import { median, rounded } from "./measure.ts";
import type { PeerName } from "./peers/all.ts";
import { startRivals } from "./rivals.ts";
import { playRounds, worstStall } from "./rounds.ts";
import type { RunResult } from "./run.ts";
import { within } from "./scope.ts";
import { progressMessageBytes } from "./work.ts";

export interface Growth {
  /**
   * Half of them are done before the round, which gives a peer that writes whole sessions its average cost.
   */
  files: number;
  peer: PeerName;
  /** One caller waits for each acknowledgement. The time includes what the peer has deferred. */
  ms_per_report: number;
  reports: number;
  /** The first report of a session, which loads it. The other figures exclude it. */
  first_ms: number;
  stall_ms: number | null;
  rounds: number[];
}

const growthPeers: PeerName[] = [
  "sessiond, channel",
  "SQLite rows",
  "whole JSON file",
  "LangGraph SqliteSaver",
];
/** Peers whose cost grows with the session. They are stopped early, long before the last file. */
const slow: PeerName[] = ["whole JSON file", "LangGraph SqliteSaver"];

export function costGrowth(context: Context): Promise<Growth[]> {
  const sizes = context.quick ? [100, 10_000, 100_000] : [100, 1000, 10_000, 100_000, 1_000_000];
  const reports = context.quick ? 3000 : 20_000;
  const [slowMs, fastMs] = context.quick ? [600, 2000] : [1500, 60_000];
  return within(async (scope) => {
    const rivals = await startRivals(context, scope, growthPeers, { inFlight: false });
    const measured = await playRounds(
      context,
      rivals.list,
      sizes.map((files) => ({ name }) => ({
        workers: 1,
        files,
        done: files / 2,
        window: 1,
        reports,
        limitMs: slow.includes(name) ? slowMs : fastMs,
        includeDeferred: true,
      })),
    );
    return measured.map(({ peer, job, results }) => {
      const each = results.map(({ ms, reports }) => rounded(ms / reports));
      return {
        files: job.files,
        peer,
        ms_per_report: median(each),
        reports: median(results.map(({ reports }) => reports)),
        first_ms: rounded(median(results.map(({ firstMs }) => firstMs))),
        stall_ms: worstStall(results),
        rounds: each,
      };
    });
  });
}

export interface Written {
  peer: PeerName;
  /** The number of reports in flight at a time. */
  window: number;
  files: number;
  bytes_per_report: number;
  /** The report itself, as a message of the worker channel. */
  message_bytes: number;
  /** The bytes written, as a multiple of the report's own size. */
  times: number;
  per_second: number;
  stall_ms: number | null;
}

/**
 * One session of 100,000 files from its first report to its last, including the writes that were deferred.
 */
export async function bytesWritten(context: Context): Promise<Written[]> {
  const inFlight = await wholeSession(context, ["sessiond, library", "Redis", "bare journal loop"], 1000);
  // One report at a time is slow, so a quick run leaves it out.
  if (context.quick) return inFlight;
  return [...inFlight, ...(await wholeSession(context, ["sessiond, channel", "Redis", "SQLite rows"], 1))];
}

function wholeSession(context: Context, names: PeerName[], window: number): Promise<Written[]> {
  const job = { workers: 1, files: 100_000, window, limitMs: 600_000, includeDeferred: true };
  return within(async (scope) => {
    const rivals = await startRivals(context, scope, names, { inFlight: window > 1 });
    const measured = await playRounds({ ...context, rounds: 1 }, rivals.list, [() => job]);
    return measured.map(({ peer, results }) => {
      const [{ reports, ms, writtenBytes, stallMs }] = results as [RunResult];
      const each = writtenBytes / reports;
      return {
        peer,
        window,
        files: job.files,
        bytes_per_report: Math.round(each),
        message_bytes: progressMessageBytes,
        times: rounded(each / progressMessageBytes),
        per_second: Math.round((reports / ms) * 1000),
        stall_ms: stallMs === null ? null : rounded(stallMs),
      };
    });
  });
}
