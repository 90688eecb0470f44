/**
 * Writes output: data to stdout, messages to stderr. Callers make text from sessions safe before display.
 * Nothing is written after a failure; what a failure means for the command is decided at its end.
 */
import { styleText } from "node:util";
import { clientMaxDepth } from "../client/http/reply.ts";
import { isReaderGone, systemReason, written } from "../files/standard-streams.ts";
import { stringifyJson } from "../json/exact-json.ts";
import type { Status } from "../session/session.ts";
import { safe, safeJson } from "../text/safe.ts";
import { shownWord } from "../text/shell-quote.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { type Column, table } from "./table.ts";

export interface OutputStream extends NodeJS.WritableStream {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

export interface OutputOptions {
  stdout: OutputStream;
  stderr: OutputStream;
  /** Aborted when stdout cannot be written any more; see {@link brokenSignal}. */
  broken?: AbortSignal;
  /** The words of the command line that name the daemon. */
  given?: readonly string[];
  /** Print the replies of the API as JSON instead of text for people. */
  json: boolean;
  /** Print ids only. */
  quiet: boolean;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Whether the data goes to a terminal. */
  readonly toTerminal: boolean;
  /** The columns of that terminal; infinite if the data goes elsewhere. */
  readonly width: number;
  /** A line of data. */
  data(line: string): void;
  /** A line with one value for a program, such as an id or a path. Only on a terminal it is made safe. */
  value(text: string): void;
  /** Data as text, without a line break added. */
  raw(text: string): void;
  /** Aborted when the data cannot be written any more. A command that only follows something then ends. */
  readonly broken: AbortSignal;
  /** Data as bytes. Resolves when they are written, or cannot be written any more. */
  bytes(data: Uint8Array): Promise<void>;
  /** A reply of the API as one JSON document. */
  document(value: unknown): void;
  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void;
  /**
   * The text with `--socket` or `--store` in the commands of sessionctl that it suggests, if this command was
   * given one: so that they work when they are pasted. Messages get this anyway.
   */
  pasteable(text: string): string;
  /** A message for people; not printed with --quiet. */
  say(line: string): void;
  /** An error message or warning. */
  complain(line: string): void;
  paint(style: Style, text: string): string;
}

export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, broken = never, given = [], json, quiet } = options;
  const words = given.map((word) => `${shownWord(word)} `).join("");
  const pasteable = (text: string) => text.replace(/\bsessionctl (?=[a-z])/g, () => `sessionctl ${words}`);
  const raw = (text: string) => {
    if (!broken.aborted) stdout.write(text);
  };
  const toTerminal = stdout.isTTY === true;
  const width = toTerminal ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  return {
    json,
    quiet,
    toTerminal,
    width,
    broken,
    raw,
    value: (text) => raw(`${toTerminal ? safe(text) : text}\n`),
    data: (line) => raw(`${line}\n`),
    bytes: (data) =>
      broken.aborted ? Promise.resolve() : new Promise((resolve) => stdout.write(data, () => resolve())),
    document: (value) => raw(`${jsonText(value)}\n`),
    table(columns, rows) {
      raw(`${table(columns, rows, width).join("\n")}\n`);
    },
    pasteable,
    say(line) {
      if (!quiet) stderr.write(`${pasteable(line)}\n`);
    },
    complain(line) {
      stderr.write(`sessionctl: ${pasteable(line)}\n`);
    },
    paint: (style, text) => styleText(style, text, { stream: stdout }),
  };
}

const never = new AbortController().signal;

/**
 * Aborted, with the error of the system as its reason, when the stream cannot be written any more: the disk
 * is full, the reader of a pipe is gone, the terminal is gone.
 */
export function brokenSignal(stream: OutputStream): AbortSignal {
  const broken = new AbortController();
  stream.on("error", (error) => broken.abort(error));
  return broken.signal;
}

/**
 * Resolves when all data is written, with the exit code of the command. Data that is lost is a failure,
 * unless its reader wanted no more of it, as `head` does.
 */
export async function settled(stdout: OutputStream, out: Output, exitCode: ExitCode): Promise<ExitCode> {
  await written(stdout, "");
  const { aborted, reason } = out.broken;
  if (!aborted || isReaderGone(reason)) return exitCode;
  out.complain(`the output is not complete: ${systemReason(reason)}`);
  return exitCode === exitCodes.ok ? exitCodes.failed : exitCode;
}

/**
 * A value as JSON, on several lines unless `indent` is 0. Characters that control a terminal or are invisible
 * are escaped, which does not change the value.
 */
export function jsonText(value: unknown, indent = 2): string {
  return safeJson(stringifyJson(value, { indent, maxDepth: clientMaxDepth }));
}

export const statusStyle: Readonly<Record<Status, Style>> = {
  running: "green",
  paused: "yellow",
  completed: "cyan",
  failed: "red",
};
