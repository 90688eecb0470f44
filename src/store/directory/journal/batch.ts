/** What waits to be written to the journal in one go. */
import type { JournalRecord } from "./record.ts";

export interface Batch {
  /** Their sequences, and the links of reports, are set when they are written. */
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
  // A caller may have gone by the time it fails; every caller that waits still learns of it.
  done.catch(() => {});
  return { records: [], bytes: 0, done, resolve, reject };
}
