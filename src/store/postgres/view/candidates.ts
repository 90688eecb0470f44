/**
 * The sessions that a cleanup policy would remove, found by the indexes. The policy decides about each of
 * them again.
 */
import { itemsPerSlice } from "../../../async/slices.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { Candidates, CleanupRule } from "../../candidates.ts";
import type { Database, Queryable } from "../connection/database.ts";
import {
  type Given,
  isActiveUntil,
  isNewer,
  isOlder,
  newestFirst,
  oldestFirst,
  type Place,
  statementValues,
} from "./activity-order.ts";
import { type SummaryRow, summaryColumns, summaryOf } from "./summary-row.ts";

export async function candidatesOf(database: Database, rule: CleanupRule): Promise<Candidates> {
  const { newest, count, total } = await database.transaction((tx) => measure(tx, rule), {
    isolation: "snapshot",
  });
  return {
    sessions: count === 0 ? none() : fromOldest(database, rule, newest?.last),
    leftOut: total - count,
    newestLeftOut: newest?.count ?? 0,
  };
}

interface Measured {
  /** The sessions that the rule keeps as the newest. */
  newest: Newest | undefined;
  /** How many sessions the rule removes. */
  count: number;
  /** How many sessions there are. */
  total: number;
}

interface Newest {
  /** The oldest of them. */
  last: Place | undefined;
  count: number;
}

async function measure(tx: Queryable, rule: CleanupRule): Promise<Measured> {
  const { keepNewest = 0 } = rule;
  const newest = keepNewest === 0 ? undefined : await newestOf(tx, rule, keepNewest);
  const isEmpty = newest !== undefined && newest.count < keepNewest;
  const [{ total = 0 } = {}] = await tx.query<{ total: number | null }>(
    "select sum(n)::bigint as total from sessiond.counts",
  );
  return { newest, count: isEmpty ? 0 : await countOf(tx, rule, newest?.last), total: total ?? 0 };
}

async function newestOf(tx: Queryable, rule: CleanupRule, most: number): Promise<Newest> {
  const { values, given } = statementValues();
  const [last] = await tx.query<Place & { count: number }>(
    `select checkpoint_us, id, count(*) over () as count from (
       select active_min, checkpoint_us, id from sessiond.sessions
       where ${mayRemove(rule, given)} order by ${newestFirst} limit ${given(most)}
     ) as newest order by ${oldestFirst} limit 1`,
    values,
  );
  return { last, count: last?.count ?? 0 };
}

async function countOf(tx: Queryable, rule: CleanupRule, newest: Place | undefined): Promise<number> {
  const { values, given } = statementValues();
  const [{ count = 0 } = {}] = await tx.query<{ count: number }>(
    `select count(*) as count from sessiond.sessions where ${isBeyond(rule, newest, given)}`,
    values,
  );
  return count;
}

async function* fromOldest(
  database: Queryable,
  rule: CleanupRule,
  newest: Place | undefined,
): AsyncGenerator<SessionSummary[]> {
  let after: Place | undefined;
  do {
    const { values, given } = statementValues();
    const rest = after === undefined ? "" : `and ${isNewer(after, given)}`;
    const rows = await database.query<SummaryRow>(
      `select ${summaryColumns} from sessiond.sessions where ${isBeyond(rule, newest, given)} ${rest}
       order by ${oldestFirst} limit ${itemsPerSlice}`,
      values,
    );
    after = rows.at(-1);
    if (rows.length > 0) yield rows.map(summaryOf);
  } while (after !== undefined);
}

async function* none(): AsyncGenerator<SessionSummary[]> {}

/** Among those that the rule may remove, older than those that it keeps as the newest. */
function isBeyond(rule: CleanupRule, newest: Place | undefined, given: Given): string {
  return newest === undefined
    ? mayRemove(rule, given)
    : `${mayRemove(rule, given)} and ${isOlder(newest, given)}`;
}

function mayRemove({ status, activeUntil, now }: CleanupRule, given: Given): string {
  return [
    "removed_us is null and not pinned",
    ...(status === undefined ? [] : [`status = ${given(status)}`]),
    isActiveUntil(Math.min(now, activeUntil ?? now), given),
    "not exists (select from sessiond.leases where leases.sid = sessions.sid)",
  ].join(" and ");
}
