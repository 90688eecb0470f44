/** The lines of `sessionctl top` for a view and a size. Pure. */

import type { ListedSession, Stats } from "../../contract/replies.ts";
import { type Status, statuses } from "../../session/session.ts";
import { microsPerMs, parseTimestamp } from "../../time/clock.ts";
import { counted } from "../count.ts";
import type { Look } from "../look.ts";
import { type Style, statusStyle } from "../output.ts";
import type { Enough } from "../progress/rate.ts";
import { ageText, timeText } from "../progress/wording.ts";
import { displayWidth } from "../terminal-text.ts";
import { rowsOf, sessionLines } from "./columns.ts";
import { mostSessions, type Poll } from "./poll.ts";
import { noRates, type Rates } from "./rates.ts";
import { linesOf } from "./sharing.ts";

export interface View {
  readonly poll: Poll;
  readonly rates: Rates;
  /** What must be known of a session before its rate is shown, if not the default. */
  readonly enough?: Enough;
  /** Why there is nothing new, and for how long. `answers`: the daemon itself says that it cannot tell. */
  readonly away: { readonly message: string; readonly forMs: number; readonly answers?: boolean } | undefined;
  /** Number of sessions above the first one shown. */
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** How commands that it suggests begin; `sessionctl` if undefined. */
  readonly program?: string;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A text on a line that it shares with others, and its style. */
type Piece = readonly [text: string, style?: Style];

/** Which parts are shown; the sessions get the lines that are left. */
interface Parts {
  counts: boolean;
  problems: boolean;
  titles: boolean;
  blanks: boolean;
  cleanup: boolean;
  keys: boolean;
  sessions: number;
}

const gap = "  ";

/** At most `rows` lines, none wider than `columns`. */
export function frame(view: View, size: Size, look: Look): string[] {
  const { poll, rates, away, nowMs } = view;
  const width = size.columns;
  const parts = partsOf(view, size);
  const offset = clampedOffset(view, size);
  const shown = poll.sessions.slice(offset, offset + parts.sessions);
  const blank = parts.blanks ? [""] : [];
  // The workers of the last session may not fit.
  const table = sessionLines(rowsOf(shown, away === undefined ? rates : noRates), width, {
    look,
    nowMs,
  }).slice(0, 1 + parts.sessions);
  const body =
    poll.stats.total === 0 ? [line([["no sessions"]], width, look)] : parts.titles ? table : table.slice(1);
  const filler = Array<string>(Math.max(0, parts.sessions + (parts.titles ? 1 : 0) - body.length)).fill("");
  return [
    headLine(view, width, look),
    ...(parts.counts ? [countsLine(poll.stats, width, look)] : []),
    ...(parts.problems ? [problemLine(view, width, look)] : []),
    ...blank,
    ...body,
    ...filler,
    ...blank,
    ...(parts.cleanup ? [cleanupLine(view, width, look)] : []),
    ...(parts.keys ? [keysLine(view, offset, fitting(shown, parts.sessions), width, look)] : []),
  ].slice(0, size.rows);
}

/** The frame as plain text, with all polled sessions. */
export function onceLines(view: View, columns: number, look: Look): string[] {
  const { poll, rates, nowMs } = view;
  const rest = poll.stats.total - poll.sessions.length;
  const sessions = sessionLines(rowsOf(poll.sessions, rates, view.enough), columns, { look, nowMs });
  return [
    headLine(view, columns, look),
    countsLine(poll.stats, columns, look),
    ...(poll.health.problems.length > 0 ? [problemLine(view, columns, look)] : []),
    "",
    ...(poll.stats.total === 0 ? [look.clip("no sessions", columns)] : sessions),
    ...(rest > 0 ? [look.fit(`and ${rest} more: ${view.program ?? "sessionctl"} list`, columns)] : []),
    "",
    cleanupLine(view, columns, look),
  ].map((text) => text.trimEnd());
}

/** The offset within what can be scrolled at this size. */
export function clampedOffset(view: View, size: Size): number {
  return Math.max(0, Math.min(view.offset, lastOffset(view, size)));
}

/** The offset at which the last session is visible. */
export function lastOffset(view: View, size: Size): number {
  const { stats, sessions } = view.poll;
  const most = Math.min(stats.total, mostSessions);
  let room = partsOf(view, size).sessions;
  let first = most;
  for (; first > 0; first--) {
    const session = sessions[first - 1];
    room -= session === undefined ? 1 : linesOf(session);
    if (room < 0) break;
  }
  // A session with more lines than there are on the screen can still be looked at.
  return Math.max(0, Math.min(first, most - 1));
}

/** How many of the sessions have their own line within `lines`. */
function fitting(sessions: readonly ListedSession[], lines: number): number {
  let left = lines;
  return sessions.filter((session) => {
    const fits = left > 0;
    left -= linesOf(session);
    return fits;
  }).length;
}

/** Number of sessions that are visible at once, if each has one line. */
export function sessionRows(view: View, size: Size): number {
  return partsOf(view, size).sessions;
}

/** On a low terminal, sessions are more important than the lines around them. */
function partsOf({ poll }: View, { rows }: Size): Parts {
  const problems = poll.health.problems.length > 0 && rows >= 6;
  const titles = rows >= 7;
  const counts = rows >= 4;
  const keys = rows >= 8;
  const cleanup = rows >= 9;
  const blanks = rows >= 14;
  const frame = 1 + [problems, titles, counts, keys, cleanup, blanks, blanks].filter(Boolean).length;
  return { counts, problems, titles, blanks, cleanup, keys, sessions: Math.max(0, rows - frame) };
}

/** The daemon, or only that it cannot be reached. */
function headLine({ poll, away, nowMs }: View, width: number, look: Look): string {
  const clock = new Date(nowMs).toTimeString().slice(0, 8);
  if (away !== undefined) {
    const seconds = timeText(away.forMs, "");
    const what = away.answers ? "nothing new" : "no connection to sessiond";
    return line([[`${what} for ${seconds}: ${away.message}`, "yellow"]], width, look);
  }
  const { version, uptime_ms, workers } = poll.info;
  const text = line(
    [
      [`sessiond ${version}`, "bold"],
      [`up ${calmly(uptime_ms)}`],
      [`${counted(workers, "worker")} attached`],
    ],
    width,
    look,
  );
  const room = width - visible(text);
  return room < clock.length + 2 ? text : text + " ".repeat(room - clock.length) + look.paint("dim", clock);
}

/** Counts by status. They also explain the marks before the ids. */
function countsLine(stats: Stats, width: number, look: Look): string {
  const present = statuses.filter((status) => stats[status] > 0);
  const pieces = (word: (status: Status) => string): Piece[] =>
    present.map((status) => [
      `${look.marks.status[status]} ${stats[status]}${word(status)}`,
      statusStyle[status],
    ]);
  const whole: Piece[] = [[counted(stats.total, "session")], ...pieces((status) => ` ${status}`)];
  const columns = whole.reduce((sum, [text]) => sum + displayWidth(text) + gap.length, -gap.length);
  return line(columns <= width ? whole : pieces(() => ""), width, look);
}

function problemLine({ poll, program = "sessionctl" }: View, width: number, look: Look): string {
  const { problems } = poll.health;
  const [first] = problems;
  const whose = first?.session_id == null ? "" : `${first.session_id}: `;
  const advice = ` (${program} doctor)`;
  const text = `${counted(problems.length, "problem")}: ${whose}${first?.message ?? ""}`;
  const room = width - advice.length;
  return look.paint("red", room < 30 ? look.clip(text, width) : look.clip(text, room) + advice);
}

/** The soonest first. */
function cleanupLine({ poll, nowMs }: View, width: number, look: Look): string {
  const { jobs } = poll.cleanup;
  const waiting = jobs.filter((job) => job.waiting !== null).map(({ job }) => job);
  const next = jobs
    .flatMap(({ job, enabled, next_run }) => {
      const at = next_run === null ? undefined : parseTimestamp(next_run);
      return enabled && at !== undefined ? [{ job, inMs: Math.max(0, at / microsPerMs - nowMs) }] : [];
    })
    .sort((a, b) => a.inMs - b.inMs)
    .map(({ job, inMs }): Piece => [`${job} in ${calmly(inMs)}`, "dim"]);
  return line(
    [
      ["cleanup:", "dim"],
      ...(waiting.length > 0 ? [[`${waiting.join(", ")} waiting for approval`, "yellow"] as const] : []),
      ...(next.length > 0 ? next : [["none scheduled", "dim"] as const]),
    ],
    width,
    look,
  );
}

function keysLine(
  { poll, program = "sessionctl" }: View,
  offset: number,
  shown: number,
  width: number,
  look: Look,
): string {
  const { total } = poll.stats;
  const most = Math.min(total, mostSessions);
  if (shown >= most) return line([["q quit", "dim"]], width, look);
  const further = total > most ? `, of ${total}: ${program} list` : "";
  return line(
    [
      ["q quit", "dim"],
      [`${look.marks.upDown} scroll`, "dim"],
      [`${offset + 1}-${offset + shown} of ${most}${further}`, "dim"],
    ],
    width,
    look,
  );
}

/** Without seconds from a minute on: they would change all the time without being useful. */
function calmly(ms: number): string {
  return ms < 3_600_000 ? ageText(Math.max(ms, 2000)) : timeText(ms, "");
}

/** As many pieces as fit; the first one is shortened if necessary. */
function line(pieces: readonly Piece[], width: number, look: Look): string {
  let text = "";
  let room = width;
  for (const [piece, style] of pieces) {
    const before = text === "" ? "" : gap;
    const shown = look.clip(piece, text === "" ? width : Number.MAX_SAFE_INTEGER);
    const columns = displayWidth(shown) + before.length;
    if (columns > room) break;
    room -= columns;
    text += before + (style === undefined ? shown : look.paint(style, shown));
  }
  return text;
}

/** The width of text that may be coloured. */
function visible(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
  return displayWidth(text.replace(/\x1b\[[0-9;]*m/g, ""));
}
