/**
 * Makes copies from rows, and brings them up to date. Both are asked of one snapshot, or under the row's
 * lock, so that row, document, journal and leases belong together.
 */
import { yieldIfDue } from "../../../async/slices.ts";
import { SessiondError } from "../../../error.ts";
import { JsonError } from "../../../json/exact-json.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import { UnreadableError } from "../../document/decode-session.ts";
import type { Queryable } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";
import { Copy, type JournalRow } from "./copy.ts";
import { readDocument } from "./documents.ts";
import { readLeases } from "./lease-row.ts";
import { frameOf, rowColumns, type SessionRow } from "./session-row.ts";

export type FramedRow = SessionRow & { frame: Buffer };

/** How many rows of a journal are read at once. */
const rowsAtOnce = 1000;

/** The statement for the rows of a journal after a `seq`. */
function journalAfter(sid: string, seq: string): string {
  return `select seq, kind, revision, at_us, data from sessiond.journal
    where sid = ${sid} and seq > ${seq} order by seq limit ${rowsAtOnce}`;
}

/** What a transaction begins with that appends to a session of which there is a copy. */
export type OpenedRows = [unknown[], (SessionRow & { frame: Buffer | null })[], JournalRow[]];

/** The first number of the advisory locks of sessions; other programs may have locks in the database. */
const lockSpace = 0x5e5510;

/**
 * Locks the row of a copy, and reads it and what the copy lacks of its journal. All who append this way wait
 * in one queue, by the advisory lock: those who wait for a row alone are let in as it happens, and some wait
 * for seconds. The frame is read only if it is newer. Each statement sees what was committed before it began.
 */
export function openingFor({ sid, seq, frameSeq }: Copy): string[] {
  return [
    `select pg_advisory_xact_lock(${lockSpace}, ${sid % 2 ** 31})`,
    `select ${rowColumns}, case when frame_seq > ${frameSeq} then frame end as frame
     from sessiond.sessions where sid = ${sid} and removed_us is null for no key update`,
    journalAfter(`${sid}`, `${seq}`),
  ];
}

/** A session that is not in the trash, by its id. */
export async function readRow(tx: Queryable, id: SessionId, lock = ""): Promise<FramedRow | undefined> {
  const [row] = await tx.query<FramedRow>(
    `select ${rowColumns}, frame from sessiond.sessions where id = $1 and removed_us is null ${lock}`,
    [toText(id)],
  );
  return row;
}

export async function readTrashedRow(
  tx: Queryable,
  trashId: string,
  lock = "",
): Promise<FramedRow | undefined> {
  const [row] = await tx.query<FramedRow>(
    `select ${rowColumns}, frame from sessiond.sessions where trash_id = $1 ${lock}`,
    [toText(trashId)],
  );
  return row;
}

/** @throws SessiondError `session_corrupt` */
export function loadCopy(tx: Queryable, row: FramedRow): Promise<Copy> {
  return readable(row, () => load(tx, row));
}

/**
 * Runs what reads the stored document.
 *
 * @throws SessiondError `session_corrupt`
 */
export async function readable<T>({ id }: Pick<FramedRow, "id">, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UnreadableError || error instanceof JsonError)) throw error;
    const what = `the document of session "${fromText(id)}" in the database cannot be read`;
    const message = `${what}: ${error.message}; it is kept as it is until you recover it or restore a backup`;
    throw new SessiondError("session_corrupt", message);
  }
}

async function load(tx: Queryable, row: FramedRow): Promise<Copy> {
  const { claims, ...lists } = await readDocument(tx, row.sid);
  const frame = await frameOf(row);
  const working = await WorkingSession.load({ ...frame, ...lists });
  const copy = new Copy({
    sid: row.sid,
    id: fromText(row.id) as SessionId,
    seq: row.base_seq,
    frameSeq: row.frame_seq,
    baseSeq: row.base_seq,
    bytes: row.bytes,
    logBytes: 0,
    leases: new Map(),
    working,
    claims,
  });
  await follow(tx, row, copy, { isNew: true });
  // Reports have set the revision and the time of the frame, and so may a later change of the frame alone.
  copy.reframe(frame, row.frame_seq);
  return copy;
}

/**
 * Brings a copy to where its row is. False if it cannot be, because the document was replaced, or the journal
 * that the copy lacks is gone: then it must be loaded. `missed`: the next rows of the journal, if known.
 *
 * @throws SessiondError `session_corrupt`
 */
export function catchUp(
  tx: Queryable,
  row: FramedRow,
  copy: Copy,
  missed?: readonly JournalRow[],
): Promise<boolean> {
  return readable(row, () => catchUpWith(tx, row, copy, missed));
}

async function catchUpWith(
  tx: Queryable,
  row: FramedRow,
  copy: Copy,
  missed: readonly JournalRow[] | undefined,
): Promise<boolean> {
  if (row.sid !== copy.sid || row.base_seq > copy.seq) return false;
  if (row.seq === copy.seq) {
    copy.baseSeq = row.base_seq;
    copy.resize(row.bytes, row.log_bytes);
    return true;
  }
  await follow(tx, row, copy, { missed });
  if (row.frame_seq > copy.frameSeq) copy.reframe(await frameOf(row), row.frame_seq);
  return true;
}

async function follow(
  tx: Queryable,
  row: FramedRow,
  copy: Copy,
  { isNew = false, missed }: { isNew?: boolean; missed?: readonly JournalRow[] | undefined },
): Promise<void> {
  const from = copy.seq;
  let count = 0;
  for (let known = missed; ; known = undefined) {
    const rows = known ?? (await tx.query<JournalRow>(journalAfter("$1", "$2"), [row.sid, copy.seq]));
    for (const one of rows) {
      await copy.follow(one);
      await yieldIfDue();
    }
    count += rows.length;
    if (rows.length < rowsAtOnce) break;
  }
  copy.seq = row.seq;
  copy.baseSeq = row.base_seq;
  copy.resize(row.bytes, row.log_bytes);
  // If each change was an append, none was of leases.
  if (isNew || count < row.seq - from) copy.setLeases(await readLeases(tx, row.sid));
}
