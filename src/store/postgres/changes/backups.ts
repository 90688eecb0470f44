/**
 * Backups: copies of a session's document in a table of the database, named `<name>_<YYYYMMDD_HHMMSS>` by the
 * time in UTC.
 */
import type { Backup } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { Session } from "../../../session/session.ts";
import { type SessionId, safeName } from "../../../session/session-id.ts";
import type { SessionParts } from "../../../session/working/working-session.ts";
import { shellOperand } from "../../../text/shell-quote.ts";
import { type Clock, formatTimestamp, type Micros } from "../../../time/clock.ts";
import { decodeSessionInSlices, UnreadableError } from "../../document/decode-session.ts";
import { encodeSession } from "../../document/encode-session.ts";
import type { Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";

const partBytes = 1024 * 1024;

interface BackupRow {
  name: string;
  at_us: Micros;
  bytes: number;
}

export class Backups {
  readonly #database: Queryable;
  readonly #clock: Clock;

  constructor(database: Queryable, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Keeps a document, as part of the transaction. */
  async keep(tx: Queryable, id: SessionId, parts: SessionParts): Promise<Backup> {
    const document = await encodeSession(parts);
    const at_us = this.#clock.now();
    const stamp = formatTimestamp(at_us).slice(0, 19).replace(/[-:]/g, "").replace("T", "_");
    const add = async (name: string, part: number) => {
      const data = document.subarray(part * partBytes, (part + 1) * partBytes);
      const added = await tx.query(
        `insert into sessiond.backups (session_id, name, at_us, bytes, part, data)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning part`,
        [toText(id), toText(name), at_us, document.length, part, data],
      );
      return added.length > 0;
    };
    // Whoever has the first part has the name.
    let name = `${safeName(id)}_${stamp}`;
    for (let copy = 2; !(await add(name, 0)); copy++) name = `${safeName(id)}_${stamp}_${copy}`;
    for (let part = 1; part * partBytes < document.length; part++) await add(name, part);
    return backupOf(id, { name, at_us, bytes: document.length });
  }

  /** Newest first. */
  async list(id: SessionId): Promise<Backup[]> {
    const rows = await this.#database.query<BackupRow>(
      `select name, at_us, bytes from sessiond.backups where session_id = $1 and part = 0
       order by at_us desc, name desc`,
      [toText(id)],
    );
    return rows.map((row) => backupOf(id, { ...row, name: fromText(row.name) }));
  }

  /** @throws SessiondError `invalid_request` for one that is missing, unreadable or of another session */
  async read(id: SessionId, name: string): Promise<Session> {
    const rows = await this.#database.query<{ bytes: number; data: Buffer }>(
      "select bytes, data from sessiond.backups where session_id = $1 and name = $2 order by part",
      [toText(id), toText(name)],
    );
    const [first] = rows;
    if (first === undefined) throw refused(await this.#whyMissing(id, name));
    const document = Buffer.concat(rows.map(({ data }) => data));
    if (document.length !== first.bytes)
      throw refused(`${name} has ${document.length} of its ${first.bytes} bytes`);
    try {
      const session = await decodeSessionInSlices(document);
      if (session.session_id === id) return session;
      throw refused(`${name} is a backup of session "${session.session_id}"`);
    } catch (error) {
      if (error instanceof UnreadableError) throw refused(`${name} cannot be read: ${error.message}`);
      throw error;
    }
  }

  async #whyMissing(id: SessionId, name: string): Promise<string> {
    const [row] = await this.#database.query<{ session_id: string }>(
      "select session_id from sessiond.backups where name = $1 and part = 0 limit 1",
      [toText(name)],
    );
    if (row !== undefined) return `${name} is a backup of session "${fromText(row.session_id)}"`;
    return `there is no backup ${name}; list the backups with: sessionctl backup --list ${shellOperand(id)}`;
  }
}

function backupOf(session_id: string, { name, at_us, bytes }: BackupRow): Backup {
  // What is told of a backup is what restores it, as the path of one in a directory does.
  return { session_id, backup: name, location: name, created_time: formatTimestamp(at_us), bytes };
}

function refused(message: string): SessiondError {
  return new SessiondError("invalid_request", message, { issues: [{ path: "backup", message }] });
}
