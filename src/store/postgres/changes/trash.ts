/** The trash: rows of removed sessions, until they come back or are deleted for good. */
import { randomBytes } from "node:crypto";
import type { Emptied, TrashEntry, TrashListing } from "../../../contract/replies.ts";
import { isSessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { type Clock, formatTimestamp, type Micros, microsPerMs } from "../../../time/clock.ts";
import { notInTrash, occupied } from "../../trash-refusals.ts";
import type { Database, Queryable } from "../connection/database.ts";
import type { Log } from "../log/log.ts";
import { fromText, toText } from "../schema/names.ts";
import { isThere, pastRevision } from "./known-ids.ts";

/** How many sessions are deleted for good in one transaction. */
const deletedAtOnce = 200;

export interface TrashOptions {
  database: Database;
  log: Log;
  clock: Clock;
}

interface TrashRow {
  sid: number;
  trash_id: string;
  id: string;
  status: TrashEntry["status"];
  removed_us: Micros;
  removed_reason: string;
  bytes: number;
}

const trashColumns = "sid, trash_id, id, status, removed_us, removed_reason, bytes";

/** Grows with time, and is no other's. */
export function newTrashId(now: Micros): string {
  return `${formatTimestamp(now).replace(/\D/g, "")}-${randomBytes(4).toString("hex")}`;
}

export class Trash {
  readonly #options: TrashOptions;

  constructor(options: TrashOptions) {
    this.#options = options;
  }

  /** Newest first. */
  async list(): Promise<TrashListing> {
    const rows = await this.#options.database.query<TrashRow>(
      `select ${trashColumns} from sessiond.sessions where removed_us is not null
       order by removed_us desc, sid desc`,
    );
    const entries = rows.map(entryOf);
    return { entries, total: entries.length, bytes: sizeOf(entries) };
  }

  /** As `SessionStore.restoreTrash`. */
  async restore(id: SessionId, trashId: string | undefined): Promise<SessionSummary> {
    const { database, log } = this.#options;
    const found = await find(database, id, trashId);
    if (found === undefined) throw notInTrash(id);
    try {
      return await log.change({ trashId: found.trash_id }, "row", async (row, tx) => {
        if (await isThere(tx, id)) throw occupied(entryOf(found));
        const { revision } = row.summary;
        const last = await pastRevision(tx, id);
        await row.putBack(last > revision ? last + 1 : revision);
        return row.summary;
      });
    } catch (error) {
      // Somebody else made a session of this id, or took the entry out, a moment ago.
      if (isUniqueViolation(error)) throw occupied(entryOf(found));
      if (isSessiondError(error, "session_not_found")) throw notInTrash(id);
      throw error;
    }
  }

  /** As `SessionStore.emptyTrash`. */
  async empty(olderThanMs: number, only?: ReadonlySet<string>): Promise<Emptied & { entries: TrashEntry[] }> {
    const { database, clock } = this.#options;
    // Everything means everything.
    const limit = olderThanMs === 0 ? null : clock.now() - olderThanMs * microsPerMs;
    const found = await database.query<TrashRow>(
      `select ${trashColumns} from sessiond.sessions
       where removed_us is not null and ($1::int8 is null or removed_us <= $1)
         and ($2::text[] is null or trash_id = any($2))`,
      [limit, only === undefined ? null : [...only].map((trashId) => toText(trashId))],
    );
    // Rows are locked in this order by everybody.
    found.sort((a, b) => a.sid - b.sid);
    const deleted: TrashRow[] = [];
    for (let at = 0; at < found.length; at += deletedAtOnce)
      deleted.push(...(await deleteRows(database, found.slice(at, at + deletedAtOnce))));
    deleted.sort((a, b) => b.removed_us - a.removed_us || b.sid - a.sid);
    const entries = deleted.map(entryOf);
    return { removed: entries.length, bytes: sizeOf(entries), entries };
  }
}

/** The entry with this trash id, or the newest of the session. */
async function find(
  queryable: Queryable,
  id: SessionId,
  trashId: string | undefined,
): Promise<TrashRow | undefined> {
  const [row] = await queryable.query<TrashRow>(
    `select ${trashColumns} from sessiond.sessions
     where id = $1 and removed_us is not null and ($2::text is null or trash_id = $2)
     order by removed_us desc, sid desc limit 1`,
    [toText(id), trashId === undefined ? null : toText(trashId)],
  );
  return row;
}

/** Deletes what is still in the trash of these rows. Returns those. */
function deleteRows(database: Database, rows: readonly TrashRow[]): Promise<TrashRow[]> {
  return database.transaction(async (tx) => {
    const locked = await tx.query<{ sid: number }>(
      `select sid from sessiond.sessions where sid = any($1::int8[]) and removed_us is not null
       order by sid for update`,
      [rows.map(({ sid }) => sid)],
    );
    const sids = locked.map(({ sid }) => sid);
    for (const table of ["documents", "journal"])
      await tx.query(`delete from sessiond.${table} where sid = any($1::int8[])`, [sids]);
    await tx.query(
      `insert into sessiond.past (id, revision)
       select id, max(revision) from sessiond.sessions where sid = any($1::int8[]) group by id order by id
       on conflict (id) do update set revision = greatest(past.revision, excluded.revision), at = now()`,
      [sids],
    );
    await tx.query("delete from sessiond.sessions where sid = any($1::int8[])", [sids]);
    const deleted = new Set(sids);
    return rows.filter(({ sid }) => deleted.has(sid));
  });
}

function entryOf(row: TrashRow): TrashEntry {
  return {
    trash_id: fromText(row.trash_id),
    session_id: fromText(row.id),
    status: row.status,
    removed_time: formatTimestamp(row.removed_us),
    reason: fromText(row.removed_reason),
    bytes: row.bytes,
  };
}

function sizeOf(entries: readonly TrashEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.bytes, 0);
}

/** SQLSTATE unique_violation. */
function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "23505";
}
