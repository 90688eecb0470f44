/**
 * Results as one page of HTML that needs no network: what ran, and all results, failed ones first. The first
 * rows are a table that any browser shows; all rows are there as data, for the script of the page.
 */
import { counted } from "../count.ts";
import { pageEnd, pageStart, scriptlessNote, tableEnd, tableStart } from "./html-page.ts";
import { dataText, type ReportRow, reportRow, reportStatuses, rowData, rowHtml } from "./report-row.ts";
import type { Row } from "./row.ts";
import type { Format, Selection } from "./selection.ts";
import { Totals } from "./totals.ts";

/** How large the page may become, in bytes. */
export interface PageSizes {
  /** The whole. Mail and stores of artifacts take 30 MB, and browsers are quick with them. */
  readonly page: number;
  /** The table without the script, and its most rows. */
  readonly table: number;
  readonly tableRows: number;
}

const usualSizes: PageSizes = { page: 30_000_000, table: 3_000_000, tableRows: 500 };
/** For all but the rows. */
const frame = 50_000;

export function htmlFormat(sizes: PageSizes = usualSizes): Format {
  return async function* html(selection) {
    const survey = await surveyOf(selection, sizes);
    const { totals } = survey;
    const { text, count } = tableRows(survey.first, sizes.table);
    yield pageStart(selection, totals) + tableStart(selection) + text + tableEnd;
    if (count < totals.results) yield scriptlessNote(count, totals.results);
    yield `<script type="application/json" id="data">{"statuses":${dataText(reportStatuses)},"rows":[`;
    const listed = yield* data(selection, survey, sizes.page - Buffer.byteLength(text) - frame);
    yield "\n]}</script>\n";
    const missing = totals.results - listed;
    if (missing > 0)
      yield `<p class="note">The page would be too large with ${counted(missing, "more result")}.</p>\n`;
    yield pageEnd;
  };
}

/** What one reading of all results tells. Sizes are in bytes. */
interface Survey {
  readonly totals: Totals;
  /** The first rows of the page: failed ones, then others. */
  readonly first: readonly ReportRow[];
  /** All rows as data, without their outputs. */
  readonly bare: Sizes;
  /** What the outputs add to that. */
  readonly outputs: Sizes;
}

/** The rows of failed files, and those of others. */
interface Sizes {
  failed: number;
  other: number;
}

async function surveyOf({ rows, columns }: Selection, { tableRows }: PageSizes): Promise<Survey> {
  const totals = new Totals();
  const first = { failed: [] as ReportRow[], other: [] as ReportRow[] };
  const [bare, outputs] = [
    { failed: 0, other: 0 },
    { failed: 0, other: 0 },
  ];
  for await (const some of rows()) {
    for (const row of some) {
      totals.add(row);
      const kind = kindOf(row);
      const shown = reportRow(row, columns);
      const [without, whole] = [
        sizeOf(rowData(shown, { outputs: false })),
        sizeOf(rowData(shown, { outputs: true })),
      ];
      bare[kind] += without;
      outputs[kind] += Math.max(0, whole - without);
      if (first[kind].length < tableRows) first[kind].push(shown);
    }
  }
  return { totals, first: [...first.failed, ...first.other].slice(0, tableRows), bare, outputs };
}

function kindOf({ status }: Pick<Row, "status">): keyof Sizes {
  return status === "failed" ? "failed" : "other";
}

function sizeOf(text: string): number {
  return Buffer.byteLength(text) + 2;
}

function tableRows(rows: readonly ReportRow[], most: number): { text: string; count: number } {
  const texts: string[] = [];
  let left = most;
  for (const row of rows) {
    const text = rowHtml(row);
    left -= Buffer.byteLength(text);
    if (left < 0) break;
    texts.push(text);
  }
  return { text: texts.join(""), count: texts.length };
}

/**
 * The rows as data, in the order of the session; the script puts the failed ones first. If not all fit,
 * failed files come before others, and rows before outputs. Returns how many rows there are.
 */
async function* data(
  { rows, columns }: Selection,
  { bare, outputs }: Survey,
  room: number,
): AsyncGenerator<string, number, void> {
  const rowsLeft: Sizes = { failed: room, other: Math.max(0, room - bare.failed) };
  const spare = Math.max(0, room - bare.failed - bare.other);
  const outputsLeft: Sizes = { failed: spare, other: Math.max(0, spare - outputs.failed) };
  let listed = 0;
  for await (const some of rows()) {
    let text = "";
    for (const row of some) {
      const kind = kindOf(row);
      const shown = reportRow(row, columns);
      const [without, whole] = [rowData(shown, { outputs: false }), rowData(shown, { outputs: true })];
      rowsLeft[kind] -= sizeOf(without);
      if (rowsLeft[kind] < 0) continue;
      const more = Math.max(0, sizeOf(whole) - sizeOf(without));
      const hasRoom = outputsLeft[kind] >= more;
      if (hasRoom) outputsLeft[kind] -= more;
      text += `${listed === 0 ? "" : ","}\n${hasRoom ? whole : without}`;
      listed++;
    }
    yield text;
  }
  return listed;
}
