/**
 * Sessions in the order of their last activity, as parts of a statement. Pure. An index has the minutes in
 * order; only sessions of one minute are left to be sorted. An index on the exact time would have to be
 * written with every report.
 */
import type { Micros } from "../../../time/clock.ts";
import type { Parameter } from "../connection/database.ts";
import { minuteOf, type SummaryRow } from "./summary-row.ts";

export const newestFirst = "active_min desc, checkpoint_us desc, id";
/** Exactly the other way round. */
export const oldestFirst = "active_min, checkpoint_us, id desc";

/** Where a session stands in the order. */
export type Place = Pick<SummaryRow, "checkpoint_us" | "id">;

/** Adds a value to those of a statement, and returns its name there, such as `$1`. */
export type Given = (value: Parameter) => string;

export function statementValues(): { values: Parameter[]; given: Given } {
  const values: Parameter[] = [];
  return { values, given: (value) => `$${values.push(value)}` };
}

export function isActiveUntil(at: Micros, given: Given): string {
  return `active_min <= ${given(minuteOf(at))} and checkpoint_us <= ${given(at)}`;
}

/** After a place where the newest come first. */
export function isOlder({ checkpoint_us, id }: Place, given: Given): string {
  const at = given(checkpoint_us);
  return `active_min <= ${given(minuteOf(checkpoint_us))}
    and checkpoint_us <= ${at} and (checkpoint_us < ${at} or id > ${given(id)})`;
}

/** After a place where the oldest come first. */
export function isNewer({ checkpoint_us, id }: Place, given: Given): string {
  const at = given(checkpoint_us);
  return `active_min >= ${given(minuteOf(checkpoint_us))}
    and checkpoint_us >= ${at} and (checkpoint_us > ${at} or id < ${given(id)})`;
}
