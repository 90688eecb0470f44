/**
 * One row of the report: the texts that people see, safe to be shown, as HTML and as data for the script.
 * Pure.
 */
import { type JsonValue, memberOf } from "../../json/exact-json.ts";
import type { ResultKey } from "../../session/result-key.ts";
import { safe } from "../../text/safe.ts";
import { cellText } from "./csv.ts";
import { outputOf, shortened } from "./output-text.ts";
import { type ResultStatus, type Row, reasonOf, valueOfKey } from "./row.ts";
import { shownDuration } from "./shown-duration.ts";
import { durationMsOf, finishedMsOf } from "./totals.ts";
import { xmlText } from "./xml-text.ts";

export const reportStatuses: readonly ResultStatus[] = ["failed", "pending", "succeeded", "other"];

/** The most characters of each output: failed files are what people look into. */
const longestOutput = { failed: 8000, other: 1000 };
const longestValue = 500;
const longestName = 1000;

export interface ReportRow {
  readonly file: string;
  readonly status: ResultStatus;
  readonly exit: string;
  /** For the order; -1 if it is not known. */
  readonly durationMs: number;
  readonly duration: string;
  readonly attempts: string;
  readonly finished: string;
  /** Empty unless the file failed. */
  readonly reason: string;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether `stdout` is the result itself, as another tool has written it. */
  readonly isResult: boolean;
  /** Of the columns that the user asked for. */
  readonly values: readonly string[];
}

export function reportRow(row: Row, columns: readonly ResultKey[]): ReportRow {
  const { file, status, result } = row;
  const durationMs = durationMsOf(row);
  const finishedMs = finishedMsOf(row);
  const { stdout, stderr, isResult } = outputOf(result);
  const most = status === "failed" ? longestOutput.failed : longestOutput.other;
  return {
    file: safe(shortened(file, longestName)),
    status,
    exit: cell(memberOf(result, "exit_code")),
    durationMs: durationMs ?? -1,
    duration: durationMs === undefined ? "" : shownDuration(durationMs),
    attempts: cell(memberOf(result, "attempts")),
    finished:
      finishedMs === undefined ? "" : new Date(finishedMs).toISOString().slice(0, 19).replace("T", " "),
    reason: status === "failed" ? safe(reasonOf(result) ?? "") : "",
    stdout: safeOutput(shortened(stdout, most)),
    stderr: safeOutput(shortened(stderr, most)),
    isResult,
    values: columns.map((column) => cell(valueOfKey(row, column))),
  };
}

function cell(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return safe(shortened(cellText(value), longestValue));
}

/** Line breaks and tabs stay what they are. */
function safeOutput(text: string): string {
  return text
    .replace(/\r\n/g, "\n")
    .split(/([\n\t])/)
    .map((part, at) => (at % 2 === 1 ? part : safe(part)))
    .join("");
}

/**
 * A list for the script, as text that a script element of HTML may contain. Outputs that are left out are
 * null and empty.
 */
export function rowData(row: ReportRow, { outputs }: { outputs: boolean }): string {
  const { file, status, exit, durationMs, duration, attempts, finished, reason, values } = row;
  const isWhole = outputs || row.stdout + row.stderr === "";
  const [stdout, stderr] = isWhole ? [row.stdout, row.stderr] : [null, ""];
  const start = [
    file,
    reportStatuses.indexOf(status),
    exit,
    durationMs,
    duration,
    attempts,
    finished,
    reason,
  ];
  return dataText([...start, stdout, stderr, row.isResult ? 1 : 0, ...values]);
}

/** JSON without any `<`, so that nothing in it looks like the end of the element. */
export function dataText(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

export function rowHtml(row: ReportRow): string {
  const reason = row.reason === "" ? "" : `<div class="reason">${xmlText(row.reason)}</div>`;
  const cells = [row.exit, row.duration, row.attempts].map(
    (text) => `<td class="number">${xmlText(text)}</td>`,
  );
  const values = row.values.map((text) => `<td class="value">${xmlText(text)}</td>`);
  return [
    `<tr><th scope="row">${xmlText(row.file)}${reason}${outputHtml(row)}</th>`,
    `<td class="${row.status}">${row.status}</td>${cells.join("")}<td>${row.finished}</td>${values.join("")}</tr>\n`,
  ].join("");
}

function outputHtml({ stdout, stderr, isResult }: ReportRow): string {
  if (stdout + stderr === "") return "";
  const part = (title: string, text: string) =>
    text === "" ? "" : `<div class="note">${title}</div><pre>\n${xmlText(text)}</pre>`;
  return `<details><summary>Output</summary>${part("stderr", stderr)}${part(isResult ? "result" : "stdout", stdout)}</details>`;
}
