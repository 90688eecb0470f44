/** Tables and lists of facts for a terminal. Pure. */
import { displayWidth, padEnd, padStart, safe, shorten, truncate } from "./terminal-text.ts";

export interface Column<Row> {
  title: string;
  /** Text of the cell; the table makes it safe. */
  cell: (row: Row) => string;
  align?: "left" | "right";
  /** Where the cells of this column are cut when a row is wider than the terminal. Default: they are not. */
  shrink?: "end" | "middle";
  /** Colours the padded cell without changing its width. */
  paint?: (row: Row, text: string) => string;
}

const gap = "  ";
const narrowest = 10;

/**
 * Lays out a table: first measures every row, then makes the lines, so that rows need not be kept meanwhile.
 */
export class TableLayout<Row> {
  readonly #columns: readonly { readonly column: Column<Row>; width: number; isEmpty: boolean }[];

  constructor(columns: readonly Column<Row>[]) {
    this.#columns = columns.map((column) => ({ column, width: displayWidth(column.title), isEmpty: true }));
  }

  measure(row: Row): void {
    for (const measured of this.#columns) {
      const cell = safe(measured.column.cell(row));
      if (cell !== "") measured.isEmpty = false;
      measured.width = Math.max(measured.width, displayWidth(cell));
    }
  }

  /**
   * Call it after all rows were measured. Columns that are empty in every row are left out.
   *
   * @param width columns of the terminal; infinite if nothing is to be cut
   */
  fit(width: number): { readonly header: string; line(row: Row): string } {
    const filled = this.#columns
      .filter(({ isEmpty }) => !isEmpty)
      .map(({ column, width }) => ({ ...column, width }));
    shrink(filled, width);
    const line = (cells: readonly string[]) => cells.join(gap).trimEnd();
    return {
      header: line(filled.map(({ title, align, width }) => pad(title, width, align))),
      line: (row) =>
        line(
          filled.map(({ cell, align, width, paint, shrink }) => {
            const cut = shrink === "middle" ? shorten : truncate;
            const text = pad(cut(safe(cell(row)), width), width, align);
            return paint === undefined ? text : paint(row, text);
          }),
        ),
    };
  }
}

/** Makes columns narrower until the table fits, the widest of them first. */
function shrink(
  columns: readonly { width: number; shrink?: Column<never>["shrink"] }[],
  width: number,
): void {
  const needed = columns.reduce((sum, column) => sum + column.width + gap.length, -gap.length);
  const shrinking = columns.filter((column) => column.shrink !== undefined && column.width > narrowest);
  for (let excess = needed - width; excess > 0 && shrinking.length > 0; ) {
    shrinking.sort((one, other) => other.width - one.width);
    const widest = shrinking[0] as { width: number };
    const least = Math.max(narrowest, shrinking[1]?.width ?? 0);
    if (widest.width === least && least === narrowest) return;
    const less = Math.min(excess, Math.max(1, widest.width - least));
    widest.width -= less;
    excess -= less;
  }
}

/**
 * The lines of a table. Columns that are empty in every row are left out.
 *
 * @param width columns of the terminal; infinite if nothing is to be cut
 */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const layout = new TableLayout(columns);
  for (const row of rows) layout.measure(row);
  const { header, line } = layout.fit(width);
  return [header, ...rows.map(line)];
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
