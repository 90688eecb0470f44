/** Tables and lists of facts for a terminal. Pure. */
import { displayWidth, padEnd, padStart, safe, truncate } from "./terminal-text.ts";

export interface Column<Row> {
  title: string;
  /** Text of the cell; the table makes it safe. */
  cell: (row: Row) => string;
  align?: "left" | "right";
  /** Whether this column is cut when a row is wider than the terminal. */
  shrink?: boolean;
  /** Colours the padded cell without changing its width. */
  paint?: (row: Row, text: string) => string;
}

const gap = "  ";
const narrowest = 10;

/**
 * The lines of a table. Columns that are empty in every row are left out.
 *
 * @param width columns of the terminal; infinite if nothing is to be cut
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const filled = columns
    .map((column) => ({ ...column, cells: rows.map((row) => safe(column.cell(row))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""))
    .map((column) => ({
      ...column,
      width: Math.max(...[column.title, ...column.cells].map(displayWidth)),
    }));
  const needed = filled.reduce((sum, column) => sum + column.width + gap.length, -gap.length);
  for (const column of filled) {
    if (column.shrink)
      column.width = Math.min(column.width, Math.max(narrowest, column.width - needed + width));
  }
  const line = (cells: readonly string[]) => cells.join(gap).trimEnd();
  const header = line(filled.map(({ title, align, width }) => pad(title, width, align)));
  return [
    header,
    ...rows.map((row, index) =>
      line(
        filled.map(({ cells, align, width, paint }) => {
          const text = pad(truncate(cells[index] as string, width), width, align);
          return paint === undefined ? text : paint(row, text);
        }),
      ),
    ),
  ];
}

function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  return align === "right" ? padStart(text, width) : padEnd(text, width);
}

/** Names and values in two columns; pairs without a value are left out. */
export function facts(pairs: readonly (readonly [name: string, value: string | undefined])[]): string[] {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => displayWidth(name)));
  return known.map(([name, value]) => `${padEnd(name, width)}${gap}${value}`);
}
