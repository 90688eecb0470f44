/** One result of a session, with the file it belongs to: what the formats write, and what keys find in it. */
import { type JsonValue, memberOf } from "../../json/exact-json.ts";
import { isNumber } from "../../json/exact-number.ts";
import { failureOf, hasFailed } from "../../session/failed-file.ts";
import { type ResultKey, valueAt } from "../../session/result-key.ts";

/**
 * `pending`: the file is to be processed again. `other`: the session has no such file, as other tools keep
 * results of other kinds too.
 */
export type ResultStatus = "succeeded" | "failed" | "pending" | "other";

export interface Row {
  readonly file: string;
  readonly status: ResultStatus;
  readonly result: JsonValue;
}

/** The columns that every table of results has. The keys among them are those of a result. */
export const usualColumns = [
  "file",
  "status",
  "exit_code",
  "duration_ms",
  "attempts",
  "finished_time",
  "error",
] as const;
export type UsualColumn = (typeof usualColumns)[number];

/** A column of a result. Undefined if the result has no such value. */
export function usualValue({ file, status, result }: Row, column: UsualColumn): JsonValue | undefined {
  switch (column) {
    case "file":
      return file;
    case "status":
      return status;
    case "error":
      return reasonOf(result);
    default:
      return memberOf(result, column);
  }
}

/** Why the work on the file failed, in words; undefined if it succeeded. */
export function reasonOf(result: JsonValue): string | undefined {
  return hasFailed(result) ? failureOf(result) : undefined;
}

/** What a key finds in the result; if that has no such key, `file`, `status` and `error` are the columns. */
export function valueOfKey(row: Row, key: ResultKey): JsonValue | undefined {
  const found = valueAt(row.result, key);
  if (found !== undefined) return found;
  const column = usualColumns.find((one) => one === key.text);
  return column === undefined ? undefined : usualValue(row, column);
}

/** A number of a result that is fit for arithmetic; undefined if there is none. */
export function plainNumberOf(result: JsonValue, key: string): number | undefined {
  const value = memberOf(result, key);
  return isNumber(value) ? Number(value) : undefined;
}
