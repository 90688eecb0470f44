import type { SessionClient } from "../../src/client/index.ts";
import type { Worker } from "./worker.ts";

/** One session from its creation to its end, and who is at it. */
export interface Job {
  id: string;
  /** All its files, in order. */
  files: readonly string[];
  worker: Worker;
  /** A second client, with connections of its own. */
  operator: SessionClient;
}

/** The files that are not acknowledged, in the order of the session. */
export function missing({ files, worker }: Job): string[] {
  return files.filter((file) => !worker.acknowledged.has(file));
}
