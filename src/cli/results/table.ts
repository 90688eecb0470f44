/** Results as a table for people. Pure. */
import { type JsonValue, memberOf } from "../../json/exact-json.ts";
import type { Style } from "../output.ts";
import { type Column, TableLayout } from "../table.ts";
import { safe, truncate } from "../terminal-text.ts";
import { cellText } from "./csv.ts";
import { type ResultStatus, type Row, reasonOf, valueOfKey } from "./row.ts";
import type { Format, Selection } from "./selection.ts";
import { shownDuration } from "./shown-duration.ts";
import { durationMsOf } from "./totals.ts";

const styles: Readonly<Record<ResultStatus, Style>> = {
  failed: "red",
  succeeded: "green",
  pending: "yellow",
  other: "dim",
};

/** A cell is cut here, in columns, also where the width is not limited. */
const widestCell = 200;

export interface TableOptions {
  /** Columns of the terminal; infinite if nothing is to be cut. */
  readonly width: number;
  paint(style: Style, text: string): string;
}

export function tableFormat({ width, paint }: TableOptions): Format {
  return async function* table(selection) {
    const layout = new TableLayout(columnsFor(selection, paint));
    let isEmpty = true;
    for await (const rows of selection.rows()) {
      for (const row of rows) layout.measure(row);
      isEmpty = false;
    }
    if (isEmpty) return;
    const { header, line } = layout.fit(width);
    yield `${header}\n`;
    for await (const rows of selection.rows()) yield rows.map((row) => `${line(row)}\n`).join("");
  };
}

function columnsFor({ columns }: Selection, paint: TableOptions["paint"]): Column<Row>[] {
  return [
    {
      title: "STATUS",
      cell: ({ status }) => status,
      paint: ({ status }, text) => paint(styles[status], text),
    },
    { title: "EXIT", cell: ({ result }) => shown(memberOf(result, "exit_code")), align: "right" },
    { title: "TIME", cell: timeOf, align: "right" },
    { title: "FILE", cell: ({ file }) => file, shrink: "middle" },
    ...columns.map(
      (key): Column<Row> => ({
        title: safe(key.text),
        cell: (row) => shown(valueOfKey(row, key)),
        shrink: "end",
      }),
    ),
    { title: "ERROR", cell: (row) => shown(reasonOf(row.result)), shrink: "end" },
  ];
}

function timeOf(row: Row): string {
  const ms = durationMsOf(row);
  return ms === undefined ? "" : shownDuration(ms);
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  const text = cellText(value);
  return text.length > widestCell ? truncate(text, widestCell) : text;
}
