/** The demo's output: headings, lines, tables and numbers. */
import { styleText } from "node:util";

const styled = process.stdout.isTTY && !process.env.NO_COLOR;
const integer = new Intl.NumberFormat("en-US");

/** Prints the heading of a part of the demo. */
export function heading(text: string): void {
  process.stdout.write(`\n${styled ? styleText("bold", text) : text}\n`);
}

export function say(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

/** Prints names and values in two columns. */
export function table(rows: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) say(`${name.padEnd(width)}  ${value}`);
}

/** `12,345` */
export function count(value: number): string {
  return integer.format(value);
}

/** Milliseconds as `3.1 ms`, `312 ms` or `4.2 s`. */
export function time(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
