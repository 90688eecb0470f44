/** Results as JSON: all as one object, or each as an object on a line of its own (JSON Lines). Pure. */
import { clientMaxDepth } from "../../client/http/reply.ts";
import { type JsonValue, putMember, stringifyJson } from "../../json/exact-json.ts";
import type { ResultKey } from "../../session/result-key.ts";
import { safeJson } from "../../text/safe.ts";
import { type Row, usualColumns, usualValue, valueOfKey } from "./row.ts";
import type { Selection } from "./selection.ts";

/** An object with the results by their files, as the document of the session has it. */
export async function* jsonFormat({ rows }: Selection): AsyncGenerator<string> {
  yield* members(rows(), 1);
  yield "\n";
}

/** The reply of the API, with the results on one page. */
export async function* replyFormat({ rows }: Selection): AsyncGenerator<string> {
  yield '{\n  "results": ';
  const total = yield* members(rows(), 2);
  yield `,\n  "next_cursor": null,\n  "total": ${total}\n}\n`;
}

/** Returns how many there are. `level` is how deep the members of the object are indented. */
async function* members(
  rows: AsyncIterable<readonly Row[]>,
  level: number,
): AsyncGenerator<string, number, void> {
  const line = `\n${"  ".repeat(level)}`;
  let count = 0;
  for await (const some of rows) {
    let text = "";
    for (const { file, result } of some) {
      const value = stringifyJson(result, { indent: 2, maxDepth: clientMaxDepth });
      // Every line break is one of the layout, because strings have theirs escaped.
      text += `${count === 0 ? "{" : ","}${line}${JSON.stringify(file)}: ${value.replaceAll("\n", line)}`;
      count++;
    }
    yield safeJson(text);
  }
  yield count === 0 ? "{}" : `\n${"  ".repeat(level - 1)}}`;
  return count;
}

/**
 * `{"file": …, "status": …, "result": …}` on each line. If columns are asked for, the values of these and of
 * the usual columns are the members instead.
 */
export async function* jsonLinesFormat({ rows, columns }: Selection): AsyncGenerator<string> {
  for await (const some of rows()) {
    let text = "";
    for (const row of some) {
      const { file, status, result } = row;
      const value = columns.length === 0 ? { file, status, result } : inColumns(row, columns);
      text += `${stringifyJson(value, { maxDepth: clientMaxDepth + 1 })}\n`;
    }
    yield safeJson(text);
  }
}

function inColumns(row: Row, columns: readonly ResultKey[]): Record<string, JsonValue> {
  const members: Record<string, JsonValue> = {};
  for (const column of usualColumns) putMember(members, column, usualValue(row, column) ?? null);
  for (const column of columns) putMember(members, column.text, valueOfKey(row, column) ?? null);
  return members;
}
