/**
 * What is new in the database since an earlier look: one statement, and what its rows mean. A look ends with
 * the snapshot of its statement. The next one finds what was not visible in it: what began later, and what
 * was under way then. So it misses nothing that commits late, and finds nothing twice. What others have under
 * way in the same server, for however long, costs a number in the snapshot.
 */
import { isSessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import { formatTimestamp } from "../../../time/clock.ts";
import type { Gone } from "../../session-store.ts";
import type { Database, Queryable } from "../connection/database.ts";
import { timelineQuery } from "../connection/server-state.ts";
import { fromText } from "../schema/names.ts";
import { type SummaryRow, summaryColumns, summaryOf } from "../view/summary-row.ts";
import type { Found, Step, Told } from "./telling.ts";

/** A snapshot of PostgreSQL: `xmin:xmax:xip,…`. What is below xmax and not in the list of xip is visible. */
export type Snapshot = string;

export interface News {
  /** Of this look. */
  readonly snapshot: Snapshot;
  /** When the look was made, by the clock of the database, in milliseconds. */
  readonly timeMs: number;
  readonly found: readonly Found[];
  readonly elsewhere: readonly Elsewhere[];
}

/** What other hosts did to one session. */
export interface Elsewhere {
  readonly sid: number;
  readonly id: string;
  /** The number of the newest change that the look found. */
  readonly seq: number;
  /** The letter of each kind of change: n, r, f, d, x, t, l. */
  readonly kinds: string;
  /** What became of its leases, in order. */
  readonly leases: readonly unknown[];
}

/** The first look: from now on. */
export async function firstLook(database: Queryable): Promise<News> {
  const [row] = await database.query<Head>(`select ${head}`);
  return { ...headOf(row), found: [], elsewhere: [] };
}

/** Grows with each failover. Undefined if the database does not say, as some managed services. */
export async function timelineOf(database: Queryable): Promise<number | undefined> {
  try {
    const [row] = await database.query<{ timeline: number }>(timelineQuery);
    return row?.timeline;
  } catch (error) {
    if (isSessiondError(error)) throw error;
    return undefined;
  }
}

/**
 * What was committed since the look with this snapshot. `origin` names this daemon.
 *
 * @returns undefined if the database has not come as far as that look: it is another one, or an older state
 */
export async function look(database: Database, since: Snapshot, origin: string): Promise<News | undefined> {
  const [, xmax = "", running = ""] = since.split(":");
  const rows = await database.transaction(
    async (tx) => {
      // Until PostgreSQL has analyzed a table that grows fast, it takes few rows for many: to compile the
      // statement for them took over a second.
      await tx.query("set local jit = off");
      const values = [xmax, running === "" ? [] : running.split(","), origin];
      return tx.query<Head & Partial<Row>>(statement, values);
    },
    { isolation: "snapshot" },
  );
  const news = headOf(rows[0]);
  if (BigInt(xmaxOf(news.snapshot)) < BigInt(xmax)) return undefined;
  const bySession = new Map<number, Row[]>();
  for (const row of rows) {
    if (!isRow(row)) continue;
    const others = bySession.get(row.sid);
    if (others === undefined) bySession.set(row.sid, [row]);
    else others.push(row);
  }
  const sessions = [...bySession.values()].map((rows) => new SessionNews(rows));
  return {
    ...news,
    found: sessions.map((session) => session.found),
    elsewhere: sessions.flatMap((session) => session.elsewhere),
  };
}

function xmaxOf(snapshot: Snapshot): string {
  return snapshot.split(":")[1] as string;
}

interface Head {
  snapshot: string;
  time_ms: number;
}

const head = `pg_current_snapshot()::text as snapshot,
  (extract(epoch from clock_timestamp()) * 1000)::float8 as time_ms`;

function headOf(row: Head | undefined): Pick<News, "snapshot" | "timeMs"> {
  if (row === undefined) throw new Error("PostgreSQL gave no snapshot");
  return { snapshot: row.snapshot, timeMs: row.time_ms };
}

/**
 * Of the reports of a session only the first comes, because it says what was before. The columns of a session
 * are those of the same snapshot.
 */
const statement = `
with news as materialized (
  select c.*, c.origin = $3::uuid as own from sessiond.all_changes c
  where c.tx >= $1::text::xid8 or c.tx = any($2::text[]::xid8[])
), sums as (
  select sid, min(seq) filter (where kind = 'r') as first_report, max(seq) as newest,
    coalesce(bool_or(not own) filter (where kind = 'r'), false) as reported_elsewhere,
    coalesce(string_agg(distinct kind::text, '') filter (where not own), '') as elsewhere
  from news group by sid
)
select h.*, n.sid, n.id as named, n.seq_before, n.seq, n.kind::text as kind, n.own,
  n.revision as revision_before, n.processed as processed_before, n.pending as pending_before,
  n.checkpoint_us as checkpoint_before, n.checkpoint_text as checkpoint_text_before, n.before, n.detail,
  m.first_report is not null as reported, m.reported_elsewhere, m.newest, m.elsewhere,
  s.removed_us is not null as is_removed,
  ${summaryColumns.replace(/\w+/g, "s.$&")}
from (select ${head}) h
left join (news n join sums m on m.sid = n.sid and (n.kind <> 'r' or n.seq = m.first_report)) on true
left join lateral (
  select ${summaryColumns}, removed_us from sessiond.sessions where sid = n.sid
  -- Without this, a wrong estimate can make it a scan of all sessions.
  offset 0
) s on true
order by n.sid, n.seq`;

interface Row extends Omit<SummaryRow, "id"> {
  sid: number;
  /** As the change wrote it; a report does not. */
  named: string | null;
  seq_before: number | null;
  seq: number;
  kind: Step["kind"] | "r" | "l";
  own: boolean;
  /** Of the first report: what was before it. */
  revision_before: number | null;
  processed_before: number;
  pending_before: number;
  checkpoint_before: number;
  checkpoint_text_before: string | null;
  before: Buffer | null;
  detail: Buffer | null;
  reported: boolean;
  reported_elsewhere: boolean;
  newest: number;
  elsewhere: string;
  is_removed: boolean;
  /** Null if the session was deleted for good. */
  id: string | null;
}

function isRow(row: Head & Partial<Row>): row is Head & Row {
  return row.sid !== null && row.sid !== undefined;
}

/** The rows of one session, in order. */
class SessionNews {
  readonly #rows: readonly Row[];
  readonly #first: Row;

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
    this.#first = rows[0] as Row;
  }

  get found(): Found {
    const { sid, newest, reported, reported_elsewhere } = this.#first;
    const state = { seq: newest, summary: this.#summary() };
    return {
      ...{ sid, id: this.#id, reported, reportedElsewhere: reported_elsewhere },
      base: this.#base(state),
      state,
      steps: this.#steps(),
    };
  }

  /** Empty if no other host did anything. */
  get elsewhere(): Elsewhere[] {
    const { sid, newest, elsewhere } = this.#first;
    if (elsewhere === "") return [];
    const leases = this.#rows.flatMap(({ kind, own, detail }) =>
      kind === "l" && !own && detail !== null ? [parse(detail)] : [],
    );
    return [{ sid, id: this.#id, seq: newest, kinds: elsewhere, leases }];
  }

  get #id(): string {
    const named = this.#first.id ?? this.#rows.find((row) => row.named !== null)?.named ?? "";
    return fromText(named);
  }

  #summary(): SessionSummary | undefined {
    const { id, is_removed } = this.#first;
    return id === null || is_removed ? undefined : summaryOf({ ...this.#first, id });
  }

  #steps(): Step[] {
    return this.#rows.flatMap(({ kind, seq, before, detail }): Step[] => {
      if (kind === "r" || kind === "l") return [];
      if (kind !== "x") return [{ kind, seq }];
      const gone: Gone = {
        cause: "removed",
        restorable: false,
        ...(detail === null ? {} : restorable(detail)),
      };
      return [{ kind, seq, before: before === null ? undefined : (parse(before) as SessionSummary), gone }];
    });
  }

  /** What was before the first of these changes. */
  #base({ summary }: Told): Told {
    const { seq, seq_before } = this.#first;
    const base = seq_before ?? seq - 1;
    const first = this.#rows.find(({ kind }) => kind !== "l");
    if (first === undefined) return { seq: base, summary };
    if (first.kind === "n" || first.kind === "t") return { seq: base, summary: undefined };
    // Reports and leases change nothing but what the first report says of itself.
    const written = this.#rows.find(({ before }) => before !== null)?.before;
    const later = written === undefined || written === null ? summary : (parse(written) as SessionSummary);
    if (later === undefined || first.revision_before === null) return { seq: base, summary: later };
    return {
      seq: base,
      summary: {
        ...later,
        revision: first.revision_before,
        processed_count: first.processed_before,
        pending_count: first.pending_before,
        checkpoint_time: first.checkpoint_text_before ?? formatTimestamp(first.checkpoint_before),
      },
    };
  }
}

function parse(json: Buffer): unknown {
  return JSON.parse(json.toString());
}

function restorable(detail: Buffer): Pick<Gone, "restorable"> {
  return { restorable: (parse(detail) as Partial<Gone>).restorable === true };
}
