/** Records that wait to be written to the journal in one write. */
import type { JournalRecord } from "./record.ts";

export interface Batch {
  /** The sequences of the records and the links of reports are set when they are written. */
  records: JournalRecord[];
  bytes: number;
  done: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export function newBatch(): Batch {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // No unhandled rejection where nobody waits for it any more. Those who wait get it all the same.
  done.catch(() => {});
  return { records: [], bytes: 0, done, resolve, reject };
}
