/** The frame of the report: its head, what ran, and the controls and the head of its table. Pure. */
import { createHash } from "node:crypto";
import { safe } from "../../text/safe.ts";
import { script } from "./html-script.ts";
import { style } from "./html-style.ts";
import { reportStatuses } from "./report-row.ts";
import type { Selection } from "./selection.ts";
import { shownDuration } from "./shown-duration.ts";
import type { Totals } from "./totals.ts";
import { whatRan } from "./what-ran.ts";
import { xmlAttribute, xmlText } from "./xml-text.ts";

export function pageStart(selection: Selection, totals: Totals): string {
  const { session } = selection;
  const title = safe(session.session_id);
  const sources = [`script-src 'sha256-${hashOf(script)}'`, `style-src 'sha256-${hashOf(style)}'`].join("; ");
  const policy = `default-src 'none'; ${sources}; base-uri 'none'; form-action 'none'`;
  const facts = factsOf(selection, totals).map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>\n`);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${xmlAttribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${xmlText(title)}: results</title>
<style>${style}</style>
</head>
<body>
<h1>${xmlText(title)}</h1>
<p class="lead">${leadOf(totals)}</p>
<h2>What ran</h2>
<dl>
${facts.join("")}</dl>
`;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

function leadOf({ results, byStatus }: Totals): string {
  const parts = reportStatuses
    .filter((status) => byStatus[status] > 0)
    .map((status) => `<span class="${status}">${number(byStatus[status])} ${status}</span>`);
  return `${number(results)} ${results === 1 ? "result" : "results"}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}

function factsOf({ session, only }: Selection, totals: Totals): [name: string, value: string][] {
  const { command, directory } = whatRan(session);
  const { firstMs, lastMs, workMs } = totals;
  const reason = typeof session.status_reason === "string" ? `: ${session.status_reason}` : "";
  const shown = (text: string) => xmlText(safe(text));
  const facts: [string, string | undefined][] = [
    ["Command", command && `<code>${shown(command)}</code>`],
    ["Directory", directory && `<code>${shown(directory)}</code>`],
    ["Target", command === undefined ? shown(session.config.target_path) : undefined],
    ["Status", shown(`${session.status}${reason}`)],
    [
      "Files",
      `${number(session.processed_files.length)} done, ${number(session.pending_files.length)} to do`,
    ],
    ["From", firstMs === undefined ? undefined : dayAndTime(firstMs)],
    ["To", lastMs === undefined ? undefined : dayAndTime(lastMs)],
    ["Elapsed", firstMs === undefined || lastMs === undefined ? undefined : shownDuration(lastMs - firstMs)],
    ["Time in commands", workMs === 0 ? undefined : `${shownDuration(workMs)} (last attempts, added up)`],
    ["Shown here", only && `only ${shown(only)}`],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function dayAndTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

export function tableStart({ columns }: Selection): string {
  const names = columns.map(({ text }) => `<th scope="col" class="value">${xmlText(safe(text))}</th>`);
  const options = reportStatuses.map((status) => `<option>${status}</option>`);
  return `<h2 id="results">Results</h2>
<form id="tools" role="search" hidden>
<label class="wide">Search in names, reasons and outputs<input type="search" id="search" autocomplete="off"></label>
<label>Status<select id="status"><option value="">all</option>${options.join("")}</select></label>
<label>Order<select id="order"><option value="failed">failed first</option><option value="slowest">slowest first</option>
<option value="name">by name</option></select></label>
</form>
<p id="count" class="note" role="status"></p>
<div class="scroll" role="region" aria-labelledby="results" tabindex="0"><table>
<thead><tr><th scope="col">File</th><th scope="col">Status</th><th scope="col" class="number">Exit</th>
<th scope="col" class="number">Time</th><th scope="col" class="number">Attempts</th><th scope="col">Finished (UTC)</th>${names.join("")}</tr></thead>
<tbody id="rows">
`;
}

export const tableEnd = '</tbody></table></div>\n<p><button type="button" id="more" hidden></button></p>\n';

/** For a reader whose browser does not run the script. */
export function scriptlessNote(count: number, all: number): string {
  const shown = `the first ${number(count)} of ${number(all)} results`;
  return `<p class="note" id="scriptless">Without its script, this page shows ${shown}.</p>\n`;
}

export const pageEnd = `<script>${script}</script>\n</body>\n</html>\n`;
