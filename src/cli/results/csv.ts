/**
 * Results as comma-separated values by RFC 4180: a header, then a line for each, ended by CR and LF. Pure.
 */
import { clientMaxDepth } from "../../client/http/reply.ts";
import { type JsonValue, stringifyJson } from "../../json/exact-json.ts";
import { safe } from "../../text/safe.ts";
import { usualColumns, usualValue, valueOfKey } from "./row.ts";
import type { Format } from "./selection.ts";

/**
 * Values are as they are, also those that begin with `=`. On a terminal, what controls it is made safe, and
 * lines end as it expects.
 */
export function csvFormat({ toTerminal }: { toTerminal: boolean }): Format {
  const [shown, end] = toTerminal ? [safe, "\n"] : [(text: string) => text, "\r\n"];
  const line = (values: readonly (JsonValue | undefined)[]) =>
    `${values.map((value) => shown(field(value))).join(",")}${end}`;
  return async function* csv({ rows, columns }) {
    yield line([...usualColumns, ...columns.map(({ text }) => text)]);
    for await (const some of rows()) {
      let text = "";
      for (const row of some) {
        const usual = usualColumns.map((column) => usualValue(row, column));
        text += line([...usual, ...columns.map((column) => valueOfKey(row, column))]);
      }
      yield text;
    }
  };
}

/** A missing value and null are empty, and an empty text is `""`. */
function field(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  const text = cellText(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A text as it is, a number as it was spelled, a list or an object as JSON on one line. */
export function cellText(value: JsonValue): string {
  return typeof value === "string" ? value : stringifyJson(value, { maxDepth: clientMaxDepth });
}
