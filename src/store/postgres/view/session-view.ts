/** Reads what rows alone say: summaries one by one, by page and all, and how many sessions there are. */
import { itemsPerSlice } from "../../../async/slices.ts";
import type { Stats, SummaryPage } from "../../../contract/replies.ts";
import type { SessionSummary, Status } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Clock } from "../../../time/clock.ts";
import { allAreCandidates, type Candidates, type CleanupRule } from "../../candidates.ts";
import { missingSession } from "../../missing-session.ts";
import { formatCursor, type Sort } from "../../session-order.ts";
import type { ListQuery } from "../../session-store.ts";
import type { Database } from "../connection/database.ts";
import { toText } from "../schema/names.ts";
import { candidatesOf } from "./candidates.ts";
import {
  gatherStatement,
  isCounted,
  type Listing,
  type PageRow,
  type Statement,
  walkStatement,
} from "./list-statement.ts";
import { type SummaryRow, summaryColumns, summaryOf } from "./summary-row.ts";

/** In a store with more sessions than this, those that a cleanup policy keeps are no candidates. */
const mostDecided = 10_000;

export class SessionView {
  readonly #database: Database;
  readonly #clock: Clock;

  /** `clock`: the time by which a session is older than `older_than`. */
  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** @throws SessiondError `session_not_found`; `session_deleted` if it is in the trash */
  async summary(id: SessionId): Promise<SessionSummary> {
    const [row] = await this.#database.query<SummaryRow & { is_removed: boolean }>(
      `select ${summaryColumns}, false as is_removed from sessiond.sessions where id = $1 and removed_us is null
       union all
       select ${summaryColumns}, true as is_removed from sessiond.sessions where id = $1 and removed_us is not null
       order by is_removed limit 1`,
      [toText(id)],
    );
    if (row === undefined || row.is_removed) throw missingSession(id, row !== undefined);
    return summaryOf(row);
  }

  async has(id: SessionId): Promise<boolean> {
    const rows = await this.#database.query(
      "select from sessiond.sessions where id = $1 and removed_us is null",
      [toText(id)],
    );
    return rows.length > 0;
  }

  /**
   * One page of the sessions as they are at one moment after the call.
   *
   * @throws SessiondError `invalid_request` for a cursor that belongs to no page of this sort
   */
  async list(query: ListQuery = {}): Promise<SummaryPage> {
    const { sort = "checkpoint_time", limit = 100 } = query;
    const listing = { ...query, sort, limit, now: this.#clock.now() };
    const { rows, total } = isCounted(listing) ? await this.#walk(listing) : await this.#gather(listing);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      sessions: page.map(summaryOf),
      next_cursor: rows.length > limit && last !== undefined ? cursorAfter(last, sort) : null,
      total,
    };
  }

  async #gather(listing: Listing): Promise<Rows> {
    const gathered = await this.#rows(gatherStatement(listing));
    if (gathered.total !== null) return gathered;
    return { ...(await this.#walk(listing)), total: null };
  }

  #walk(listing: Listing): Promise<Rows> {
    return this.#rows(walkStatement(listing));
  }

  async #rows({ text, values }: Statement): Promise<Rows> {
    const rows = await this.#database.query<PageRow>(text, values);
    return { rows: rows.filter(isSession), total: rows[0]?.total ?? null };
  }

  async stats(): Promise<Stats> {
    const rows = await this.#database.query<{ status: Status; n: number }>(
      "select status, sum(n)::bigint as n from sessiond.counts group by status",
    );
    const stats: Stats = { total: 0, running: 0, paused: 0, completed: 0, failed: 0 };
    for (const { status, n } of rows) {
      stats[status] = n;
      stats.total += n;
    }
    return stats;
  }

  /**
   * Every session, in slices. The order is that of creation, and a session keeps its place in it as long as
   * it exists. So a session that exists from the call to the end comes once. Sessions that are created after
   * the call are left out.
   */
  async *summaries(): AsyncGenerator<SessionSummary[]> {
    const [{ last = 0 } = {}] = await this.#database.query<{ last: number }>(
      "select coalesce(max(sid), 0) as last from sessiond.sessions",
    );
    let at = 0;
    while (at < last) {
      const rows = await this.#database.query<SummaryRow & { sid: number }>(
        `select sid, ${summaryColumns} from sessiond.sessions
         where sid > $1 and sid <= $2 and removed_us is null order by sid limit ${itemsPerSlice}`,
        [at, last],
      );
      at = rows.at(-1)?.sid ?? last;
      if (rows.length > 0) yield rows.map(summaryOf);
    }
  }

  /**
   * In a small store every session, so that people see a decision about each. In a large one those that the
   * rule removes.
   */
  async candidates(rule: CleanupRule): Promise<Candidates> {
    if ((await this.stats()).total <= mostDecided) return allAreCandidates(this.summaries());
    return candidatesOf(this.#database, rule);
  }
}

/** The page and one more session, if there is one, and how many match on all pages. */
interface Rows {
  rows: SessionRow[];
  total: number | null;
}

type SessionRow = SummaryRow & { created_us: number };

function isSession(row: PageRow): row is PageRow & SessionRow {
  return row.id !== null;
}

function cursorAfter(row: SessionRow, sort: Sort): string {
  const summary = summaryOf(row);
  return formatCursor({ summary, checkpoint: row.checkpoint_us, created: row.created_us }, sort);
}
