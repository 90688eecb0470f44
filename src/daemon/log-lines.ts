/**
 * Formats log lines for who reads them, bounds their length, and escapes what controls a terminal. The input
 * is a line of JSON from pino.
 */
import { fstatSync } from "node:fs";
import { safe, safeJson, safeLines, unicodeEscaped } from "../text/safe.ts";

/** journald splits a longer line (`LineMax=`), and all but its first part have no priority. */
export const maxLineBytes = 48 * 1024;
/** The limits below apply to the values of an event whose line is too long. */
const maxTextLength = 2000;
const maxItems = 20;
const maxDepth = 6;

/** Turns a level of pino into a priority of sd-daemon(3). */
function priorityOf(level: number): number {
  if (level >= 60) return 2;
  if (level >= 50) return 3;
  if (level >= 40) return 4;
  return level >= 30 ? 6 : 7;
}

/** Whether a descriptor is a connection to the journal, which systemd names in `$JOURNAL_STREAM`. */
export function isJournal(env: NodeJS.ProcessEnv, descriptor: number): boolean {
  const [device, inode] = (env.JOURNAL_STREAM ?? "").split(":");
  if (device === undefined || inode === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return String(dev) === device && String(ino) === inode;
  } catch {
    return false;
  }
}

/** A line of JSON without unseen characters. An event whose line is too long is shortened. */
export function boundedLine(line: string): string {
  const whole = safeJson(line);
  if (Buffer.byteLength(whole) <= maxLineBytes) return whole;
  const event = JSON.parse(line) as LogEvent;
  const bounded = jsonLine(shortened(event, 0));
  if (Buffer.byteLength(bounded) <= maxLineBytes) return bounded;
  return jsonLine({
    level: event.level,
    time: event.time,
    msg: shortened(event.msg, 0),
    left_out: "too long",
  });
}

function jsonLine(event: unknown): string {
  return `${safeJson(JSON.stringify(event))}\n`;
}

/**
 * A line of JSON for `pino-pretty`, which prints the message and the error as they are. Their unseen
 * characters are escaped; the line breaks of a stack stay.
 */
export function readableEvent(line: string): string {
  const event = JSON.parse(boundedLine(line)) as LogEvent;
  if (typeof event.msg === "string") event.msg = safe(event.msg);
  if (event.err !== undefined) event.err = readable(event.err);
  return JSON.stringify(event);
}

function readable(value: unknown): unknown {
  if (typeof value === "string") return safeLines(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(readable);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [safe(key), readable(item)]));
}

/** What `pino-pretty` made of such a line: besides its own colours and line breaks it controls nothing. */
export function readableLines(pretty: string): string {
  return pretty
    .split(ownControls)
    .map((text, at) => (at % 2 === 0 ? unicodeEscaped(text) : text))
    .join("");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const ownControls = /(\n|\x1b\[[\d;]*m)/;

/**
 * Formats an event for the journal: priority, message, and details as JSON. The journal itself records the
 * time and the process.
 */
export function journalLine(line: string): string {
  const { level, time: _, msg = "", ...details } = JSON.parse(boundedLine(line)) as LogEvent;
  const what = String(msg).replace(/\s*\n\s*/g, "; ");
  const more = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  return `${prefixed(level, `${what}${more}`)}\n`;
}

/** Formats plain text of one or more lines for the journal. `level` is a level of pino. */
export function journalText(level: number, text: string): string {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => `${prefixed(level, line)}\n`)
    .join("");
}

interface LogEvent {
  level: number;
  time?: unknown;
  msg?: unknown;
  err?: unknown;
}

/** Escapes unseen characters: with a control character the journal shows only `[blob data]`. */
function prefixed(level: number, text: string): string {
  const line = `<${priorityOf(level)}>${unicodeEscaped(text)}`;
  // A character has at most four bytes in UTF-8.
  return Buffer.byteLength(line) < maxLineBytes ? line : `${line.slice(0, maxLineBytes / 4 - 1)}…`;
}

function shortened(value: unknown, depth: number): unknown {
  if (typeof value === "string") {
    return value.length <= maxTextLength ? value : `${value.slice(0, maxTextLength)}… (${value.length})`;
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth >= maxDepth) return "…";
  if (Array.isArray(value)) {
    const first = value.slice(0, maxItems).map((item) => shortened(item, depth + 1));
    return value.length <= maxItems ? first : [...first, `… (${value.length})`];
  }
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, maxItems)
      .map(([key, item]) => [String(shortened(key, 0)), shortened(item, depth + 1)]),
  );
}
