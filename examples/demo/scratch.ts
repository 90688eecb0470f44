/** The temporary directory and the child processes of the demo, and their removal. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

/** Removes the directory and ends the processes however the demo ends: done, failed or interrupted. */
export class Scratch {
  readonly directory = mkdtempSync(join(tmpdir(), "sessiond-demo-"));
  readonly #children = new Set<ChildProcess>();

  constructor() {
    process.once("exit", () => this.clear());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => process.exit(128 + constants.signals[signal]));
    }
  }

  own<Child extends ChildProcess>(child: Child): Child {
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  clear(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    // Retries, because a process that was just killed may still finish a write.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}
