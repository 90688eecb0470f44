/**
 * The sessions as a table that fits the terminal: less important columns get narrower, then disappear. Pure.
 */

import type { AttachedWorker, ListedSession } from "../../contract/replies.ts";
import type { SessionSummary } from "../../session/session.ts";
import { microsPerMs, parseTimestamp } from "../../time/clock.ts";
import { counted } from "../count.ts";
import type { Look } from "../look.ts";
import { statusStyle } from "../output.ts";
import type { Enough } from "../progress/rate.ts";
import { ageText, rateText, timeText } from "../progress/wording.ts";
import { displayWidth, padEnd, padStart } from "../terminal-text.ts";
import { type Rates, speedOf } from "./rates.ts";
import { sharingLines, sharingOf } from "./sharing.ts";

export interface Row {
  readonly session: SessionSummary;
  readonly perSecond: number | undefined;
  readonly etaMs: number | undefined;
  /** Who works on it, in a word or two. */
  readonly worker: string;
  /** The workers that share it; each has a line of its own. */
  readonly sharing: readonly AttachedWorker[];
}

export interface Sight {
  readonly look: Look;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

interface Column {
  readonly title: string;
  /** The least useful width. */
  readonly least: number;
  /** A smaller width that it gets before it disappears. */
  readonly last?: number;
  /** The greatest width; it gets less if the rows need less. */
  readonly most: number;
  /** The columns with the lowest number disappear first; Infinity never. */
  readonly keep: number;
  /** False if a cut cell would be misleading. */
  readonly cut?: false;
  readonly right?: boolean;
  /** Whether it gets the width that is left. */
  readonly takesRest?: boolean;
  cell(row: Row, width: number, sight: Sight): string;
  paint?(row: Row, text: string, sight: Sight): string;
}

const gap = "  ";
/** Columns of `100%` and the blank before it. */
const percentColumns = 5;
/** A bar of fewer columns shows nothing. */
const narrowestBar = 3;

const columns: readonly Column[] = [
  {
    title: "  ID",
    least: 12,
    most: 40,
    keep: Number.POSITIVE_INFINITY,
    cell: ({ session }, width, { look }) =>
      look.fit(look.marks.status[session.status], 1) + look.fit(` ${session.session_id}`, width - 1),
    paint: ({ session }, text, { look }) =>
      look.paint(statusStyle[session.status], text.slice(0, 1)) + text.slice(1),
  },
  {
    title: "STATUS",
    least: 9,
    most: 9,
    keep: 2,
    cell: ({ session }) => session.status,
    paint: ({ session }, text, { look }) => look.paint(statusStyle[session.status], text),
  },
  {
    title: "PROGRESS",
    least: 9 + percentColumns,
    last: percentColumns,
    most: 30 + percentColumns,
    keep: 8,
    cell: ({ session }, width, { look }) => progressBar(session, width, look),
    paint: ({ session }, text, { look }) => look.paint(session.status === "running" ? "green" : "dim", text),
  },
  {
    title: "FILES",
    // More than needed at first, so that columns do not move as the numbers grow.
    least: 11,
    most: 24,
    keep: 6,
    cut: false,
    right: true,
    cell: ({ session: { processed_count, pending_count } }) =>
      `${processed_count}/${processed_count + pending_count}`,
  },
  {
    title: "RATE",
    least: 7,
    most: 7,
    keep: 5,
    right: true,
    cell: ({ session, perSecond }, _, { look }) => ofRunning(session, rateText(perSecond, look.marks.none)),
  },
  {
    title: "ETA",
    least: 7,
    most: 7,
    keep: 7,
    right: true,
    cell: ({ session, etaMs }, _, { look }) => ofRunning(session, timeText(etaMs, look.marks.none)),
  },
  {
    title: "WORKER",
    least: 8,
    most: 20,
    keep: 3,
    cell: ({ session, worker }, width, { look }) => look.fit(workerText(session, worker, look), width),
  },
  {
    title: "IDLE",
    least: 4,
    most: 5,
    keep: 4,
    right: true,
    cell: ({ session }, _, { nowMs, look }) => idleText(session, nowMs, look),
    paint: (_, text, { look }) => look.paint("dim", text),
  },
  {
    title: "NOTE",
    least: 16,
    most: 60,
    keep: 1,
    takesRest: true,
    cell: ({ session }, width, { look }) =>
      session.status_reason === null
        ? look.fit(session.target_path, width)
        : look.clip(session.status_reason, width),
    paint: (_, text, { look }) => look.paint("dim", text),
  },
];

function ofRunning({ status }: SessionSummary, text: string): string {
  return status === "running" ? text : "";
}

/** A paused session with a worker is held: the worker goes on when it is resumed. */
function workerText(session: SessionSummary, worker: string, { marks }: Look): string {
  if (worker === "") return ofRunning(session, marks.none);
  return session.status === "paused" ? `held: ${worker}` : ofRunning(session, worker);
}

export function progressBar(
  { processed_count, pending_count }: SessionSummary,
  width: number,
  { marks }: Look,
): string {
  const total = processed_count + pending_count;
  const room = width - percentColumns < narrowestBar ? 0 : width - percentColumns;
  if (total === 0) return `${marks.rest.repeat(room)} ${padStart(marks.none, percentColumns - 1)}`;
  const share = processed_count / total;
  const filled = Math.floor(share * room);
  const percent = padStart(`${Math.floor(share * 100)}%`, percentColumns - 1);
  return `${marks.done.repeat(filled)}${marks.rest.repeat(room - filled)} ${percent}`;
}

function idleText({ checkpoint_time }: SessionSummary, nowMs: number, { marks }: Look): string {
  const at = parseTimestamp(checkpoint_time);
  // A time in the future comes from a wrong clock; a few seconds do not matter.
  if (at === undefined || nowMs - at / microsPerMs < -5000) return marks.none;
  return ageText(Math.max(0, nowMs - at / microsPerMs));
}

/** A line of titles, then the lines of each row, none wider than `width`. */
export function sessionLines(rows: readonly Row[], width: number, sight: Sight): string[] {
  const widths = widthsOf(rows, width, sight);
  const shown = columns.filter((column) => widths.has(column));
  const line = (cell: (column: Column, width: number) => string) =>
    shown.map((column) => cell(column, widths.get(column) as number)).join(gap);
  const { look } = sight;
  return [
    look.paint(
      "bold",
      line((column, room) => aligned(column, look.clip(column.title, room), room)),
    ),
    ...rows.flatMap((row) => [
      line((column, room) => {
        const text = aligned(column, look.fit(column.cell(row, room, sight), room), room);
        return column.paint === undefined ? text : column.paint(row, text, sight);
      }),
      ...sharingLines(row.sharing, width, sight),
    ]),
  ];
}

function aligned({ right }: Column, text: string, width: number): string {
  return right ? padStart(text, width) : padEnd(text, width);
}

/** The columns that are shown, with their widths. */
function widthsOf(rows: readonly Row[], width: number, sight: Sight): Map<Column, number> {
  const wish = new Map(columns.map((column) => [column, wished(column, rows, sight)]));
  const shrunk = new Set<Column>();
  const least = (column: Column) =>
    shrunk.has(column)
      ? (column.last as number)
      : Math.min(column.cut === false ? column.most : column.least, wish.get(column) as number);
  let shown = columns.filter((column) => (wish.get(column) as number) > 0);
  const needed = () => shown.reduce((sum, column) => sum + least(column) + gap.length, -gap.length);
  while (needed() > width && shown.length > 1) {
    const first = shown.reduce((a, b) => (b.keep < a.keep ? b : a));
    if (first.last !== undefined && !shrunk.has(first)) shrunk.add(first);
    else shown = shown.filter((column) => column !== first);
  }
  const widths = new Map(shown.map((column) => [column, Math.min(least(column), width)]));
  let rest = width - needed();
  for (const rounds of [false, true]) {
    for (const column of [...shown].sort((a, b) => order(a) - order(b))) {
      if ((column.takesRest ?? false) !== rounds) continue;
      const now = widths.get(column) as number;
      const more = Math.max(0, Math.min(rest, (wish.get(column) as number) - now));
      widths.set(column, now + more);
      rest -= more;
    }
  }
  return widths;
}

/** Ids get more width before workers do; bars get it last. */
function order({ title }: Column): number {
  return title === "PROGRESS" ? 2 : title === "  ID" ? 0 : 1;
}

/** The width of the widest row. Columns of a fixed width keep it, so that nothing moves between polls. */
function wished(column: Column, rows: readonly Row[], sight: Sight): number {
  const { title, least, most } = column;
  if (least === most || title === "PROGRESS") return most;
  const widest = Math.max(
    displayWidth(title),
    ...rows.map((row) => displayWidth(column.cell(row, most, sight))),
  );
  return Math.min(most, Math.max(least, widest));
}

/** The row of each session. */
export function rowsOf(sessions: readonly ListedSession[], rates: Rates, enough?: Enough): Row[] {
  return sessions.map((session) => {
    const { workers } = session;
    return {
      session,
      ...speedOf(rates, session, enough),
      worker: whoWorks(workers),
      sharing: sharingOf(session),
    };
  });
}

function whoWorks(workers: readonly AttachedWorker[]): string {
  const [first] = workers;
  if (first === undefined) return "";
  if (first.shared) return counted(workers.length, "worker");
  return first.connected ? (first.name ?? "unnamed") : "lost";
}
