/**
 * One page of a list as a statement. Pure. The page and the number of sessions that match are parts of one
 * statement, and so of one moment.
 *
 * Two ids are compared by code points, as the collation "C" does, and not by UTF-16 units as JavaScript does:
 * the two differ only in characters beyond U+FFFF.
 */
import type { Status } from "../../../session/session.ts";
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

/** A list, with all that has a default. */
export interface Listing extends ListQuery {
  sort: Sort;
  limit: number;
  /** The present. */
  now: Micros;
}

const orders: Record<Sort, string> = {
  checkpoint_time: newestFirst,
  created_time: "created_us desc, id",
  session_id: "id",
};

/** All that a page needs to know of a row, and what orders it. */
const pageColumns = `${summaryColumns}, created_us, active_min`;

/** Whether the counters of statuses know how many sessions match. */
export function isCounted({ label, q, older_than, pinned }: Listing): boolean {
  return label === undefined && q === undefined && older_than === undefined && pinned === undefined;
}

/**
 * Looks for all sessions that match, and sorts them if they are few enough to be counted. If not, the answer
 * is one row of nulls: then {@link walkStatement} finds a page soon. Which of the two is quick would be for
 * the database to guess, and its guesses are poor for text.
 *
 * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
 */
export function gatherStatement(listing: Listing): Statement {
  const { values, given } = statementValues();
  const order = orders[listing.sort];
  const text = `
    with matching as materialized (
      select sid, id, active_min, checkpoint_us, created_us from sessiond.sessions
      where ${isWanted(listing.status, given)} and ${filtersOf(listing, given)} limit ${mostCounted + 1}
    ), counted as (
      select case when count(*) <= ${mostCounted} then count(*) end as total from matching
    ), page as (
      select ${pageColumns} from sessiond.sessions join (
        select sid from matching, counted where total is not null and ${afterCursor(listing, given)}
        order by ${order} limit ${given(listing.limit + 1)}
      ) as chosen using (sid)
    )
    select page.*, total from counted left join page on true order by ${order}`;
  return { text, values };
}

/**
 * Walks an index in the order of the list until the page is full. `total` is what the counters know of the
 * statuses.
 *
 * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
 */
export function walkStatement(listing: Listing): Statement {
  const { values, given } = statementValues();
  const { status, sort, limit } = listing;
  const order = orders[sort];
  const where = (wanted: string) => `
    select ${pageColumns} from sessiond.sessions
    where ${wanted} and ${filtersOf(listing, given)} and ${afterCursor(listing, given)}
    order by ${order} limit ${given(limit + 1)}`;
  // Of several statuses, each has its own part of the index. A filter may leave nothing of a part: then it
  // would be walked to its end.
  const isMerged =
    status !== undefined && status.length > 1 && sort === "checkpoint_time" && isCounted(listing);
  const page = !isMerged
    ? where(isWanted(status, given))
    : `select part.* from unnest(${given(status)}::text[]) as wanted(status)
       cross join lateral (${where("sessions.status = wanted.status")}) as part
       order by ${order} limit ${given(limit + 1)}`;
  const text = `
    with page as (${page}), counted as (
      select coalesce(sum(n), 0)::bigint as total from sessiond.counts where ${isWanted(status, given)}
    )
    select page.*, total from counted left join page on true order by ${order}`;
  return { text, values };
}

function isWanted(status: readonly Status[] | undefined, given: Given): string {
  if (status === undefined) return "true";
  return status.length === 1 ? `status = ${given(status[0] as Status)}` : `status = any(${given(status)})`;
}

function filtersOf({ label, q, older_than, pinned, now }: Listing, given: Given): string {
  const filters = ["removed_us is null"];
  if (label !== undefined && label.length > 0) {
    const elements = label.map(([key, value]) => labelElement(key, value));
    filters.push(`labels @> ${given(elements)}::text[]`);
  }
  if (q !== undefined) {
    // The index has three letters or digits at a time, and is slower than reading all if there are none.
    const text = /[\p{L}\p{N}]{3}/u.test(q) ? "search" : "search || ''";
    filters.push(`${text} like ${given(searchPattern(q))}`);
  }
  if (older_than !== undefined)
    filters.push(isActiveUntil(Math.floor(now - older_than * microsPerMs), given));
  if (pinned !== undefined) filters.push(pinned ? "pinned" : "not pinned");
  return filters.join(" and ");
}

function afterCursor({ cursor, sort }: Listing, given: Given): string {
  if (cursor === undefined) return "true";
  const place = parseCursor(cursor, sort);
  const id = toText(place.summary.session_id);
  if (sort === "session_id") return `id > ${given(id)}`;
  if (sort === "checkpoint_time") return isOlder({ checkpoint_us: place.checkpoint, id }, given);
  const created = given(place.created);
  return `created_us <= ${created} and (created_us < ${created} or id > ${given(id)})`;
}
