/** What waits to be written to the journal in one go. */
import type { GenerationMark } from "./record.ts";

/** A report; `sequence` is set once it is durable. */
export interface Report {
  sessionId: string;
  generation: GenerationMark;
  revision: number;
  time: number;
  payload: Buffer;
  sequence?: number;
}

export interface Batch {
  records: (Report | Base)[];
  bytes: number;
  done: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export interface Base {
  isBase: true;
  sessionId: string;
  upTo: number;
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
