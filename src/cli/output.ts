/** Data goes to stdout, talk to stderr. What comes from sessions is made safe before it is shown to people. */
import { styleText } from "node:util";
import { clientMaxDepth } from "../client/http/http.ts";
import { stringifyJson } from "../json/exact-json.ts";
import type { Status } from "../session/session.ts";
import { type Column, table } from "./table.ts";

export interface OutputStream extends NodeJS.WritableStream {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

export interface OutputOptions {
  stdout: OutputStream;
  stderr: OutputStream;
  /** Print the values of the API instead of tables and pages. */
  json: boolean;
  /** Print ids only. */
  quiet: boolean;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Whether people look at the data, and not a program. */
  readonly toTerminal: boolean;
  /** A line of data. */
  data(line: string): void;
  /** Text of data, as it is. */
  raw(text: string): void;
  /** Bytes of data, as they are. Resolves when there is room for more. */
  bytes(data: Uint8Array): Promise<void>;
  /** A value of the API as one JSON document. */
  document(value: unknown): void;
  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void;
  /** A line for the person at the terminal; not printed when only ids are wanted. */
  say(line: string): void;
  /** A line about something wrong. */
  complain(line: string): void;
  paint(style: Style, text: string): string;
}

export function createOutput({ stdout, stderr, json, quiet }: OutputOptions): Output {
  const raw = (text: string) => {
    stdout.write(text);
  };
  const toTerminal = stdout.isTTY === true;
  return {
    json,
    quiet,
    toTerminal,
    raw,
    data: (line) => raw(`${line}\n`),
    bytes: (data) => new Promise((resolve) => stdout.write(data, () => resolve())),
    document: (value) => raw(`${jsonText(value)}\n`),
    table(columns, rows) {
      const width = toTerminal ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
      raw(`${table(columns, rows, width).join("\n")}\n`);
    },
    say(line) {
      if (!quiet) stderr.write(`${line}\n`);
    },
    complain(line) {
      stderr.write(`sessionctl: ${line}\n`);
    },
    paint: (style, text) => styleText(style, text, { stream: stdout }),
  };
}

/**
 * A value as JSON, over several lines unless `indent` is 0. Characters that a terminal acts on are escaped, which JSON reads as the
 * same text.
 */
export function jsonText(value: unknown, indent = 2): string {
  return stringifyJson(value, { indent, maxDepth: clientMaxDepth }).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export const statusStyle: Readonly<Record<Status, Style>> = {
  running: "green",
  paused: "yellow",
  completed: "cyan",
  failed: "red",
};
