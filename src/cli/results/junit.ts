/**
 * Results as JUnit XML, the form of test reports that CI servers show: each file is a test case. Pure.
 *
 * There is no standard. Elements and attributes are those that the schema of Jenkins has (junit-10.xsd), and
 * times of day are written as that of Apache Ant demands.
 */
import { outputOf, shortened } from "./output-text.ts";
import { type Row, reasonOf } from "./row.ts";
import type { Selection } from "./selection.ts";
import { durationMsOf, hasExitStatus, Totals } from "./totals.ts";
import { whatRan } from "./what-ran.ts";
import { xmlAttribute, xmlText } from "./xml-text.ts";

/** The most characters of each output of a failed file. */
const longestOutput = 16_384;

/** The totals come first, so the results are read twice. */
export async function* junitFormat({ session, only, rows }: Selection): AsyncGenerator<string> {
  const totals = new Totals();
  for await (const some of rows()) for (const row of some) totals.add(row);
  const name = session.session_id;
  yield start(name, totals, { ...whatRan(session), status: session.status, only });
  for await (const some of rows()) yield some.map((row) => testCase(row, name)).join("");
  yield "  </testsuite>\n</testsuites>\n";
}

function start(name: string, totals: Totals, about: Readonly<Record<string, string | undefined>>): string {
  const { results, byStatus, errors, workMs, firstMs } = totals;
  const counts = { tests: results, failures: byStatus.failed - errors, errors };
  const suite = {
    name,
    ...counts,
    skipped: byStatus.pending,
    time: seconds(workMs),
    timestamp: firstMs === undefined ? undefined : new Date(firstMs).toISOString().slice(0, 19),
  };
  const properties = Object.entries(about).filter(([, value]) => value !== undefined);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name, ...counts, time: seconds(workMs) })}>`,
    `  <testsuite${attributes(suite)}>`,
    "    <properties>",
    ...properties.map(([key, value]) => `      <property${attributes({ name: key, value })}/>`),
    "    </properties>",
    "",
  ].join("\n");
}

function testCase(row: Row, suite: string): string {
  const durationMs = durationMsOf(row);
  const time = durationMs === undefined ? undefined : seconds(durationMs);
  const open = `    <testcase${attributes({ name: row.file, classname: suite, time })}`;
  if (row.status === "pending")
    return `${open}>\n      <skipped message="to be processed again"/>\n    </testcase>\n`;
  if (row.status !== "failed") return `${open}/>\n`;
  const message = reasonOf(row.result) ?? "";
  const [element, type] = hasExitStatus(row) ? ["failure", "exit status"] : ["error", "not ended by itself"];
  const { stdout, stderr } = outputOf(row.result);
  const [said, also] = stderr.trim() === "" ? [stdout, ""] : [stderr, stdout];
  const output = also === "" ? "" : `      <system-out>${bounded(also)}</system-out>\n`;
  const failure = `<${element}${attributes({ message, type })}>${bounded(said)}</${element}>`;
  return `${open}>\n      ${failure}\n${output}    </testcase>\n`;
}

function bounded(text: string): string {
  return xmlText(shortened(text, longestOutput));
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .map(([name, value]) => (value === undefined ? "" : ` ${name}="${xmlAttribute(String(value))}"`))
    .join("");
}
