/** Log lines as their readers want them. Each comes in as the JSON object that pino makes of an event. */
import { fstatSync } from "node:fs";

/** journald cuts longer ones in two (`LineMax=`), and what follows the cut has no priority. */
export const maxLineBytes = 48 * 1024;
/** For what is quoted within an event that is too long. */
const maxTextLength = 2000;
const maxItems = 20;
const maxDepth = 6;

/** By the level of pino, as sd-daemon(3) has them. */
function priorityOf(level: number): number {
  if (level >= 60) return 2;
  if (level >= 50) return 3;
  if (level >= 40) return 4;
  return level >= 30 ? 6 : 7;
}

/** Whether a descriptor is the connection to the journal that systemd says it made for us. */
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

/** The same event in a line that is not too long for any reader. */
export function boundedLine(line: string): string {
  if (Buffer.byteLength(line) <= maxLineBytes) return line;
  const event = JSON.parse(line) as LogEvent;
  const bounded = `${JSON.stringify(shortened(event, 0))}\n`;
  if (Buffer.byteLength(bounded) <= maxLineBytes) return bounded;
  return `${JSON.stringify({ level: event.level, time: event.time, msg: shortened(event.msg, 0), left_out: "too long" })}\n`;
}

/**
 * A line for the journal: priority, what happened, and the details as JSON. Who, when and which process the
 * journal knows by itself.
 */
export function journalLine(line: string): string {
  const { level, time: _, msg = "", ...details } = JSON.parse(boundedLine(line)) as LogEvent;
  const what = String(msg).replace(/\s*\n\s*/g, "; ");
  const more = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  return `${prefixed(level, `${what}${more}`)}\n`;
}

/** A line for the journal of what is no event. */
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

/** A character that a terminal acts on would also make the journal show nothing but `[blob data]`. */
function prefixed(level: number, text: string): string {
  const line = `<${priorityOf(level)}>${text.replace(/\p{Cc}/gu, (character) => escaped(character))}`;
  // In UTF-8 a character has four bytes at most.
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
