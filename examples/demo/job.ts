/** What the parts of the demo work on. */
import type { SessionClient } from "../../src/client/index.ts";
import type { Worker } from "./worker.ts";

/** One session, its worker and its operator. */
export interface Job {
  id: string;
  /** All files of the session, in order. */
  files: readonly string[];
  worker: Worker;
  /** A second client, with its own connections. */
  operator: SessionClient;
}

/** The files without an acknowledged report, in the order of the session. */
export function missing({ files, worker }: Job): string[] {
  return files.filter((file) => !worker.acknowledged.has(file));
}
