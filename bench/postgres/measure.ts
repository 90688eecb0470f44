/**
 * The part `postgres`: the daemon with its sessions in PostgreSQL against one with a directory, and against
 * peers on the same server.
 */
import { join } from "node:path";
import { startClient } from "../client-process.ts";
import type { Context } from "../context.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { median, rounded } from "../measure.ts";
import type { PeerName } from "../peers/all.ts";
import type { Job, Rival } from "../rivals.ts";
import { type Measured, playRounds } from "../rounds.ts";
import { type Scope, within } from "../scope.ts";
import { type EventGap, eventGap, type Fleet, fleet } from "./fleet.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

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
  /** Null where the peer gives no times of single files. */
  p50_ms: number | null;
  p99_ms: number | null;
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
      ...(await rates(context, scope, server, a, directory, true)),
      ...(await rates(context, scope, server, a, directory, false)),
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
  server: PostgresServer,
  onPostgres: Daemon,
  inDirectory: Daemon,
  inFlight: boolean,
): Promise<ReportRate[]> {
  const rivals = [
    await ours(scope, onPostgres, "on PostgreSQL", inFlight),
    await ours(scope, inDirectory, "in a directory", inFlight),
    ...(await peersOf(context, scope, server, inFlight)),
  ];
  const limitMs = context.quick ? 500 : 1500;
  const all: Job = inFlight
    ? { workers: 16, files: 20_000, window: 1000, limitMs }
    : { workers: 64, files: 2000, window: 1, limitMs };
  const jobOf = ({ name }: Rival): Job => ({
    ...all,
    files: filesOf(name, inFlight) ?? all.files,
    // More than their connections can take would only be waited for at the end of a round.
    window: name.startsWith("sessiond") ? all.window : Math.min(all.window, 50),
  });
  for (const rival of rivals) await rival.run({ ...jobOf(rival), limitMs: 700 });
  const measured = await playRounds(context, rivals, [jobOf]);
  return measured.map((entry) => reportRate(entry, inFlight));
}

/** The files of a session, or the jobs of a queue, where they are not as many as for the daemon. */
function filesOf(name: PeerName, inFlight: boolean): number | undefined {
  if (name === "pg-boss" || name === "graphile-worker") return inFlight ? 20_000 : 4000;
  // What it writes for a report grows with the session.
  return name === "LangGraph PostgresSaver" && !inFlight ? 1000 : undefined;
}

const peerNames: PeerName[] = ["LangGraph PostgresSaver", "DBOS", "pg-boss", "graphile-worker"];

/** Each has a database of its own on the same server. */
async function peersOf(
  context: Context,
  scope: Scope,
  server: PostgresServer,
  inFlight: boolean,
): Promise<Rival[]> {
  const rivals: Rival[] = [];
  const variant = inFlight ? "in flight" : "waiting";
  for (const name of peerNames.filter((name) => !context.available.skipped.has(name))) {
    const url = await server.createDatabase(`${name} ${variant}`.replace(/\W+/g, "_").toLowerCase());
    const client = await startClient(scope, name, { directory: "", socket: "", url, variant });
    rivals.push({ name, variant: "", run: (job) => client.run({ ...job, writer: client.pid }) });
    context.say(`${name}: ready`);
  }
  return rivals;
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
    p50_ms: time(results.map(({ p50 }) => p50)),
    p99_ms: time(results.map(({ p99 }) => p99)),
    rounds: each,
  };
}

function time(values: readonly number[]): number | null {
  const middle = median(values);
  // Without samples it is no number, which a message between processes turns into null.
  return middle > 0 ? rounded(middle) : null;
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
