/** Formats log lines for the journal and bounds their length. The input is a line of JSON from pino. */
import { fstatSync } from "node:fs";

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

/** Shortens an event whose line is longer than {@link maxLineBytes}. */
export function boundedLine(line: string): string {
  if (Buffer.byteLength(line) <= maxLineBytes) return line;
  const event = JSON.parse(line) as LogEvent;
  const bounded = `${JSON.stringify(shortened(event, 0))}\n`;
  if (Buffer.byteLength(bounded) <= maxLineBytes) return bounded;
  return `${JSON.stringify({ level: event.level, time: event.time, msg: shortened(event.msg, 0), left_out: "too long" })}\n`;
}

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
}

/** Escapes control characters: with one of them the journal shows only `[blob data]`. */
function prefixed(level: number, text: string): string {
  const line = `<${priorityOf(level)}>${text.replace(/\p{Cc}/gu, (character) => escaped(character))}`;
  // A character has at most four bytes in UTF-8.
  return Buffer.byteLength(line) < maxLineBytes ? line : `${line.slice(0, maxLineBytes / 4 - 1)}…`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
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
