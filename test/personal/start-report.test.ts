/** The line that a daemon on demand says of its start, read as it was written. */
import { expect, test } from "vitest";
import { formatStartReport, parseStartReport, type StartReport } from "../../src/personal/start-report.ts";

const reports: StartReport[] = [
  { state: "serving", pid: 1, socket: "/s", version: "1.0.0" },
  { state: "served", pid: 2, socket: "/s", version: "0.9.0" },
  { state: "failed", code: "directory_too_new", message: "two\nlines", exit_status: 78 },
];

test.each(reports)("$state", (report) => {
  const line = formatStartReport(report);
  expect(line.indexOf("\n")).toBe(line.length - 1);
  expect(parseStartReport(line)).toEqual(report);
});

test.each(["", "{", "sessiond: no such file", '{"state":"serving"}', '{"state":"failed","code":"x"}'])(
  "%j is no report",
  (line) => expect(parseStartReport(line)).toBeUndefined(),
);
