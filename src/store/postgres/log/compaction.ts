/**
 * Writes the document of a session anew, so that its journal does not grow without end. The document is as of
 * one moment, put together in slices while others append, and what was appended since stays in the journal.
 * It changes nothing that anybody sees, so `seq` stays as well, and copies stay as they are.
 */
import type { Database } from "../connection/database.ts";
import type { Copy } from "./copy.ts";
import { claimsByLease, type Encoded, encodeLists, writeDocument } from "./documents.ts";

const leastBytes = 1024 * 1024;

/** Whether the journal is longer than a document that is worth being written. */
export function isDue({ bytes, logBytes }: Copy): boolean {
  return logBytes > Math.max(leastBytes, 2 * bytes);
}

/** A document as of one change. */
export interface Compacted extends Encoded {
  readonly sid: number;
  readonly seq: number;
  /** Of the document before. */
  readonly baseSeq: number;
}

/** Takes the copy as it is at the call. */
export function compacted({ sid, seq, baseSeq, working, claimed }: Copy): Promise<Compacted> {
  const claims = [...claimed];
  return working.withSnapshot(async ({ processed, pending, results }) => {
    const byLease = await claimsByLease(claims, () => true);
    return { sid, seq, baseSeq, ...(await encodeLists({ processed, pending, results, claims: byLease })) };
  });
}

export interface Sizes {
  readonly bytes: number;
  readonly logBytes: number;
}

/** Undefined if the document was replaced meanwhile, or the session is gone. */
export function writeCompacted(database: Database, document: Compacted): Promise<Sizes | undefined> {
  const { sid } = document;
  return database.transaction(async (tx) => {
    const [row] = await tx.query<{ base_seq: number; removed_us: number | null; frame: number }>(
      `select base_seq, removed_us, length(frame) as frame from sessiond.sessions where sid = $1
       for no key update`,
      [sid],
    );
    if (row === undefined || row.removed_us !== null || row.base_seq !== document.baseSeq) return undefined;
    await writeDocument(tx, sid, document);
    await tx.query("delete from sessiond.journal where sid = $1 and seq <= $2", [sid, document.seq]);
    const bytes = row.frame + document.bytes;
    const [sizes] = await tx.query<{ log_bytes: number }>(
      `update sessiond.sessions set base_seq = $2, bytes = $3, log_bytes = (
         select coalesce(sum(length(data)), 0) from sessiond.journal where sid = $1)
       where sid = $1 returning log_bytes`,
      [sid, document.seq, bytes],
    );
    return { bytes, logBytes: (sizes as { log_bytes: number }).log_bytes };
  });
}
