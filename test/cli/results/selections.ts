/** Results for tests of the formats. */

import type { Row } from "../../../src/cli/results/row.ts";
import type { Format, Selection } from "../../../src/cli/results/selection.ts";
import type { JsonValue } from "../../../src/json/exact-json.ts";
import { hasFailed } from "../../../src/session/failed-file.ts";
import { parseResultKey } from "../../../src/session/result-key.ts";

/** A session with these results, of which each file is processed. */
export function selection(
  results: readonly (readonly [file: string, result: JsonValue])[],
  ...columns: string[]
): Selection {
  const rows = results.map(
    ([file, result]): Row => ({ file, result, status: hasFailed(result) ? "failed" : "succeeded" }),
  );
  return {
    session: {
      session_id: "nightly",
      status: "completed",
      config: { target_path: "." },
      processed_files: rows.map(({ file }) => file),
      pending_files: [],
      checkpoint_time: "2026-01-01T00:00:00Z",
    },
    only: undefined,
    columns: columns.map(parseResultKey),
    async *rows() {
      for (let at = 0; at < rows.length; at += 2) yield rows.slice(at, at + 2);
    },
  };
}

export async function textOf(format: Format, of: Selection): Promise<string> {
  let text = "";
  for await (const piece of format(of)) text += piece;
  return text;
}
