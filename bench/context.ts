/** What every part of the benchmark is given. */
import { spawnSync } from "node:child_process";
import type { Available } from "./install.ts";

export interface Context {
  /** The directory of this run, on a disk. */
  root: string;
  quick: boolean;
  rounds: number;
  available: Available;
  /** Prints progress for the person who waits. */
  say: (text: string) => void;
}

/** Flushes the disks, so that earlier writes do not disturb the next measurement. */
export function syncDisks(): void {
  spawnSync("sync");
}
