/** What every part of the bench is told. */
import { spawnSync } from "node:child_process";
import type { Available } from "./install.ts";

export interface Context {
  /** A directory of this run, on a disk. */
  root: string;
  quick: boolean;
  rounds: number;
  available: Available;
  /** Progress, for the person who waits. */
  say: (text: string) => void;
}

/** What was written before is not to be written back while something else is measured. */
export function syncDisks(): void {
  spawnSync("sync");
}
