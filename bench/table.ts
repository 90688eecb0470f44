/** The tables that a run prints. */
import { postgresRows } from "./postgres/table.ts";
import type { Results } from "./results.ts";
import type { Throughput } from "./rounds.ts";

export type Row = [
  what: string,
  who: string,
  figure: string,
  p50: string,
  p99: string,
  bytes: string,
  stall: string,
];

const heads: Row = ["", "", "median", "p50", "p99", "written each", "longest stall"];

export function table(results: Results): string {
  const { waiting, in_flight, growth, bytes, whole, start, list, outside, cleanup, jobs, pacing } = results;
  const { claims, shared, python } = results;
  const rows: Row[] = [heads];
  for (const entry of byWorkers(waiting?.peers))
    rows.push(throughputRow("durable reports, each waited for", entry));
  for (const entry of byWorkers(in_flight?.peers))
    rows.push(throughputRow("durable files, many in flight", entry));
  for (const { files, peer, ms_per_report, stall_ms } of growth ?? []) {
    rows.push([
      `a report in a half-done session of ${count(files)} files`,
      peer,
      ms(ms_per_report),
      "",
      "",
      "",
      ms(stall_ms),
    ]);
  }
  for (const { files, window, peer, times, bytes_per_report, per_second, stall_ms } of bytes ?? []) {
    const what = `a session of ${count(files)} files, ${window === 1 ? "each waited for" : `${count(window)} in flight`}`;
    const written = `${count(bytes_per_report)} B, ${times} ×`;
    rows.push([what, peer, `${count(per_second)}/s`, "", "", written, ms(stall_ms)]);
  }
  for (const { what, files, bytes: size, ms: took, stall_ms } of whole ?? []) {
    const session = `all of a session of ${count(files)} files, ${Math.round(size / 1e6)} MB`;
    rows.push([session, `sessiond, ${what}`, ms(took), "", "", "", ms(stall_ms)]);
  }
  for (const { files, who, total_ms, above_empty_ms, stall_ms } of start?.list ?? []) {
    const figure = `${ms(total_ms)}, ${ms(above_empty_ms)} above empty`;
    rows.push([`start with ${count(files)} sessions`, who, figure, "", "", "", ms(stall_ms)]);
  }
  if (start !== undefined) {
    rows.push([
      "memory for each of 100,000 sessions",
      "sessiond",
      `${start.rss_bytes_per_session} B`,
      "",
      "",
      "",
      "",
    ]);
    rows.push([
      "inotify watches for 100,000 sessions",
      "sessiond",
      `${start.inotify_watches}`,
      "",
      "",
      "",
      "",
    ]);
  }
  for (const { what, sessions, p50_ms, p99_ms, stall_ms } of [...(list ?? []), ...(outside ?? [])]) {
    rows.push([`${what}, of ${count(sessions)}`, "sessiond", "", ms(p50_ms), ms(p99_ms), "", ms(stall_ms)]);
  }
  for (const { what, sessions, ms: took, stall_ms } of cleanup ?? []) {
    const who = what === "find -delete" ? "find" : "sessiond";
    rows.push([`${what}, ${count(sessions)} sessions`, who, ms(took), "", "", "", ms(stall_ms)]);
  }
  for (const { who, jobs: number, at_once, ms: took, ms_per_job, stall_ms } of jobs ?? []) {
    const figure = `${ms(took)}, ${ms(ms_per_job)} each`;
    rows.push([`${count(number)} trivial jobs, ${at_once} at once`, who, figure, "", "", "", ms(stall_ms)]);
  }
  for (const { who, calls, at_once, ms: took, times_best, refused_percent } of pacing ?? []) {
    const what = `${count(calls)} calls to a service with a limit, ${at_once} at once`;
    const figure = `${ms(took)}, ${times_best} × the best, ${refused_percent} % refused`;
    rows.push([what, who, figure, "", "", "", ""]);
  }
  for (const { workers, claims_per_s, stall_ms } of claims ?? []) {
    const what = `claims of one file, ${workers} ${workers === 1 ? "worker" : "workers"} of one session`;
    rows.push([what, "sessiond", `${count(claims_per_s)}/s`, "", "", "", ms(stall_ms)]);
  }
  for (const { who, files, ms: took } of shared ?? [])
    rows.push([`${count(files)} trivial files, one session`, who, ms(took), "", "", "", ""]);
  for (const { way, reports_per_s } of python ?? [])
    rows.push([
      `reports of a worker in Python, ${way}`,
      "sessiond",
      `${count(reports_per_s)}/s`,
      "",
      "",
      "",
      "",
    ]);
  if (results.postgres) rows.push(...postgresRows(results.postgres));
  const skipped = results.skipped.map(({ what, because }) => `skipped: ${what}: ${because}\n`);
  return (rows.length > 1 ? layOut(rows) : "") + skipped.join("");
}

/** The table of the syncs that strace counted. */
export function durabilityTable({ durability = [] }: Results): string {
  if (durability.length === 0) return "";
  const rows = durability.map(({ peer, variant, fdatasync, fsync, synchronous_writes, durable }) => [
    variant === "" ? peer : `${peer}, ${variant}`,
    count(fdatasync),
    count(fsync),
    count(synchronous_writes),
    durable ? "" : "NOT DURABLE",
  ]);
  return layOut([["syncs in 1,000 reports", "fdatasync", "fsync", "O_DSYNC writes", ""], ...rows]);
}

export function barsTable({ bars = [] }: Results): string {
  const rows = bars.map(({ bar, wanted, measured, pass }) => [
    pass === null ? "–" : pass ? "reached" : "MISSED",
    bar,
    wanted,
    measured === null ? "not measured" : `${measured}`,
  ]);
  return layOut(rows, true);
}

function byWorkers(list: readonly Throughput[] = []): Throughput[] {
  return [...list].sort((a, b) => a.workers - b.workers);
}

function throughputRow(what: string, entry: Throughput): Row {
  const { workers, peer, per_second, p50_ms, p99_ms, bytes_per_report, stall_ms } = entry;
  const label = `${what}, ${workers} worker${workers === 1 ? "" : "s"}`;
  return [
    label,
    peer,
    `${count(per_second)}/s`,
    ms(p50_ms),
    ms(p99_ms),
    `${count(bytes_per_report)} B`,
    ms(stall_ms),
  ];
}

function layOut(rows: readonly (readonly string[])[], repeat = false): string {
  const widths = rows.reduce<number[]>(
    (widths, row) => row.map((cell, at) => Math.max(widths[at] ?? 0, cell.length)),
    [],
  );
  let above = "";
  return rows
    .map((row) => {
      // A cell that equals the one above is left empty.
      const [first = "", ...others] = row;
      const shown = [first === above && !repeat ? "" : first, ...others];
      above = first;
      return `${shown
        .map((cell, at) => cell.padEnd(widths[at] as number))
        .join("  ")
        .trimEnd()}\n`;
    })
    .join("");
}

export function ms(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size >= 100) return `${count(Math.round(value))} ms`;
  return `${size < 1 ? value.toFixed(3) : size < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}
