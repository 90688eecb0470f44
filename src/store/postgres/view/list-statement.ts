/**
 * One page of a list as a statement. Pure. The page, how many sessions match, and what the counters say are
 * parts of one statement, and so of one moment.
 *
 * Two ids are compared by code points, as the collation "C" does, and not by UTF-16 units as JavaScript does:
 * the two differ only in characters beyond U+FFFF.
 */
import { type Micros, microsPerMs } from "../../../time/clock.ts";
import { parseCursor, type Sort } from "../../session-order.ts";
import type { ListQuery } from "../../session-store.ts";
import type { Parameter } from "../connection/database.ts";
import { toText } from "../schema/names.ts";
import { type Given, isActiveUntil, isOlder, newestFirst, statementValues } from "./activity-order.ts";
import { labelElement } from "./label-element.ts";
import { searchPattern } from "./search-text.ts";
import { type SummaryRow, summaryColumns } from "./summary-row.ts";

/** Up to here the sessions that match are counted. */
const mostCounted = 10_000;

export interface Statement {
  text: string;
  values: readonly Parameter[];
}

/**
 * A row of the page. `total` is the same in all: how many sessions match on all pages, or null if there are
 * too many to count. A page without a session is one row with no other value than that.
 */
export type PageRow = { [Column in keyof SummaryRow]: SummaryRow[Column] | null } & {
  created_us: number | null;
  total: number | null;
};

const orders: Record<Sort, string> = {
  checkpoint_time: newestFirst,
  created_time: "created_us desc, id",
  session_id: "id",
};

/**
 * The statement for `limit` sessions and one more, which tells that there is a next page.
 *
 * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
 */
export function listStatement(query: ListQuery, sort: Sort, limit: number, now: Micros): Statement {
  const { values, given } = statementValues();
  const filters = filtersOf(query, now, given);
  const total = totalOf(query, filters, given);
  const after = query.cursor === undefined ? [] : [afterCursor(query.cursor, sort, given)];
  const text = `
    with page as (
      select ${summaryColumns}, created_us, active_min from sessiond.sessions
      where ${[...filters, ...after].join(" and ")}
      order by ${orders[sort]} limit ${given(limit + 1)}
    ), matching as (${total})
    select page.*, matching.total from matching left join page on true
    order by ${orders[sort]}`;
  return { text, values };
}

function filtersOf(query: ListQuery, now: Micros, given: Given): string[] {
  const { status, label, q, older_than, pinned } = query;
  const filters = ["removed_us is null"];
  if (status !== undefined && status.length === 1) filters.push(`status = ${given(status[0] as string)}`);
  else if (status !== undefined) filters.push(`status = any(${given(status)})`);
  if (label !== undefined && label.length > 0) {
    const elements = label.map(([key, value]) => labelElement(key, value));
    filters.push(`labels @> ${given(elements)}::text[]`);
  }
  if (q !== undefined) filters.push(`search like ${given(searchPattern(q))}`);
  if (older_than !== undefined)
    filters.push(isActiveUntil(Math.floor(now - older_than * microsPerMs), given));
  if (pinned !== undefined) filters.push(pinned ? "pinned" : "not pinned");
  return filters;
}

/** Without another filter than the status, the counters know the number of sessions, however many there are. */
function totalOf(query: ListQuery, filters: readonly string[], given: Given): string {
  const { status, label, q, older_than, pinned } = query;
  if (label === undefined && q === undefined && older_than === undefined && pinned === undefined) {
    const ofStatus = status === undefined ? "" : `where status = any(${given(status)})`;
    return `select coalesce(sum(n), 0)::bigint as total from sessiond.counts ${ofStatus}`;
  }
  return `
    select case when count(*) <= ${mostCounted} then count(*) end as total
    from (select from sessiond.sessions where ${filters.join(" and ")} limit ${mostCounted + 1}) as counted`;
}

function afterCursor(cursor: string, sort: Sort, given: Given): string {
  const place = parseCursor(cursor, sort);
  const written = toText(place.summary.session_id);
  if (sort === "session_id") return `id > ${given(written)}`;
  if (sort === "created_time") {
    const created = given(place.created);
    return `created_us <= ${created} and (created_us < ${created} or id > ${given(written)})`;
  }
  return isOlder({ checkpoint_us: place.checkpoint, id: written }, given);
}
