/** The formats of results, by their names. */
import { extname } from "node:path";
import type { Output } from "../output.ts";
import { csvFormat } from "./csv.ts";
import { htmlFormat } from "./html.ts";
import { jsonFormat, jsonLinesFormat } from "./json.ts";
import { junitFormat } from "./junit.ts";
import type { Format } from "./selection.ts";
import { tableFormat } from "./table.ts";

export const formatNames = ["table", "json", "jsonl", "csv", "junit", "html"] as const;
export type FormatName = (typeof formatNames)[number];

/** By the ends of the names of files. */
const formatByEnd: Readonly<Record<string, FormatName>> = {
  ".csv": "csv",
  ".htm": "html",
  ".html": "html",
  ".jsonl": "jsonl",
  ".xml": "junit",
};

/** The format that the name of a file promises; json for any other name, or none. */
export function formatOfFile(file = ""): FormatName {
  const end = extname(file).toLowerCase();
  return Object.hasOwn(formatByEnd, end) ? (formatByEnd[end] as FormatName) : "json";
}

/** `toTerminal`: nothing in a result may control where the text goes. */
export function formatFor(name: FormatName, out: Output, { toTerminal }: { toTerminal: boolean }): Format {
  switch (name) {
    case "table":
      return tableFormat({
        width: toTerminal ? out.width : Number.POSITIVE_INFINITY,
        paint: toTerminal ? out.paint : (_, text) => text,
      });
    case "json":
      return jsonFormat;
    case "jsonl":
      return jsonLinesFormat;
    case "csv":
      return csvFormat({ toTerminal });
    case "junit":
      return junitFormat;
    case "html":
      return htmlFormat();
  }
}
