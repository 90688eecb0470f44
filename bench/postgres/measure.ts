/**
 * The part `postgres`: the daemon with its sessions in PostgreSQL against one with a directory, and against
 * peers on the same server.
 */
import { join } from "node:path";
import { startClient } from "../client-process.ts";
import type { Context } from "../context.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { median, rounded } from "../measure.ts";
import type { Job, Rival } from "../rivals.ts";
import { type Measured, playRounds } from "../rounds.ts";
import { type Scope, within } from "../scope.ts";
import { type EventGap, eventGap, type Fleet, fleet } from "./fleet.ts";
import { startPostgres } from "./server.ts";

export interface Postgres {
  reports: ReportRate[];
  growth: SessionSize[];
  fleet: Fleet[];
  gap: EventGap;
}

/** Durable files per second, of 16 workers with many reports in flight or 64 that wait for each. */
export interface ReportRate {
  in_flight: boolean;
  workers: number;
  who: string;
  per_second: number;
  p50_ms: number;
  p99_ms: number;
  rounds: number[];
}

/** The time of a report in a session of so many files. One worker waits for each. */
export interface SessionSize {
  files: number;
  ms_per_report: number;
  reports: number;
  rounds: number[];
}

/** Null if there is no PostgreSQL. */
export async function postgres(context: Context): Promise<Postgres | null> {
  const reason = context.available.skipped.get("PostgreSQL");
  if (reason !== undefined) {
    context.say(`skipped: ${reason}`);
    return null;
  }
  return within(async (scope) => {
    const server = await startPostgres(context, scope);
    const url = await server.createDatabase("ours");
    const daemons: Daemon[] = [];
    for (const name of ["a", "b", "c"])
      daemons.push(await startDaemon(scope, join(context.root, `postgres-${name}`), { postgres: url }));
    const [a, b] = daemons as [Daemon, Daemon, Daemon];
    const directory = await startDaemon(scope, join(context.root, "postgres-directory"));
    context.say("reports");
    const reports = [
      ...(await rates(context, scope, a, directory, true)),
      ...(await rates(context, scope, a, directory, false)),
    ];
    context.say("large sessions");
    const growth = await sizes(context, scope, a);
    context.say("three daemons");
    return {
      reports,
      growth,
      fleet: await fleet(context, scope, daemons),
      gap: await eventGap(context, a, b),
    };
  });
}

async function rates(
  context: Context,
  scope: Scope,
  onPostgres: Daemon,
  inDirectory: Daemon,
  inFlight: boolean,
): Promise<ReportRate[]> {
  const rivals = [
    await ours(scope, onPostgres, "on PostgreSQL", inFlight),
    await ours(scope, inDirectory, "in a directory", inFlight),
  ];
  const limitMs = context.quick ? 500 : 1500;
  const job: Job = inFlight
    ? { workers: 16, files: 20_000, window: 1000, limitMs }
    : { workers: 64, files: 2000, window: 1, limitMs };
  for (const { run } of rivals) await run({ ...job, limitMs: 700 });
  const measured = await playRounds(context, rivals, [() => job]);
  return measured.map((entry) => reportRate(entry, inFlight));
}

async function ours(scope: Scope, daemon: Daemon, variant: string, inFlight: boolean): Promise<Rival> {
  const name = inFlight ? "sessiond, library" : "sessiond, channel";
  const client = await startClient(scope, name, { directory: "", socket: daemon.socket, variant });
  return { name, variant, run: (job) => client.run({ ...job, writer: daemon.pid }) };
}

function reportRate({ peer, variant, job, results }: Measured, inFlight: boolean): ReportRate {
  const each = results.map(({ reports, ms }) => Math.round((reports / ms) * 1000));
  return {
    in_flight: inFlight,
    workers: job.workers,
    who: variant === "" ? peer : `${peer}, ${variant}`,
    per_second: median(each),
    p50_ms: rounded(median(results.map(({ p50 }) => p50))),
    p99_ms: rounded(median(results.map(({ p99 }) => p99))),
    rounds: each,
  };
}

/** Half of the files are done before. The time includes what the daemon has put off. */
async function sizes(context: Context, scope: Scope, daemon: Daemon): Promise<SessionSize[]> {
  const rival = await ours(scope, daemon, "", false);
  const reports = context.quick ? 1000 : 5000;
  const job = (files: number): Job => ({
    workers: 1,
    files,
    done: files / 2,
    window: 1,
    reports,
    limitMs: 60_000,
    includeDeferred: true,
  });
  const jobs = [100, 100_000].map(job);
  const measured = await playRounds(
    context,
    [rival],
    jobs.map((job) => () => job),
  );
  return measured.map(({ job, results }) => {
    const each = results.map(({ ms, reports }) => rounded(ms / reports));
    return { files: job.files, ms_per_report: median(each), reports, rounds: each };
  });
}
