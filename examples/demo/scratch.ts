/** The directory that the demo works in, and the end of every process that was started there. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { serviceSocketPath } from "../../src/contract/socket-path.ts";

/** Is removed, and its processes are killed, however the demo ends: done, failed or interrupted. */
export class Scratch {
  readonly #base = realpathSync(mkdtempSync(join(tmpdir(), "sessiond-demo-")));
  /** Where the user of the story works. */
  readonly project = join(this.#base, "project");
  /** The environment of everything that is started here. Nothing in it leads to files of the user. */
  readonly env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LANG: "C.UTF-8",
    HOME: this.#base,
    TMPDIR: this.#base,
    XDG_CONFIG_HOME: join(this.#base, "config"),
    XDG_STATE_HOME: join(this.#base, "state"),
    // By which `.ci/run` finds what was left over.
    ...(process.env.CI_RUN_ID === undefined ? {} : { CI_RUN_ID: process.env.CI_RUN_ID }),
  };

  constructor() {
    // Commands look for a store up to the root of a repository, and this is one.
    mkdirSync(join(this.project, ".git"), { recursive: true });
    // Where a service runs, they would use it, unless there is a store.
    if (existsSync(serviceSocketPath)) mkdirSync(join(this.project, ".sessions"), { mode: 0o700 });
    process.once("exit", () => this.#clear());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => process.exit(128 + constants.signals[signal]));
    }
  }

  #clear(): void {
    // Killed until there are none, because one may just be starting another.
    for (let pids = this.#processes(); pids.length > 0; pids = this.#processes()) {
      for (const pid of pids) kill(pid);
    }
    rmSync(this.#base, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }

  /** Every process with the environment of the scratch directory; the daemon is no child of the demo. */
  #processes(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`HOME=${this.#base}`);
        } catch {
          return false; // It has ended, or belongs to somebody else.
        }
      })
      .map(Number);
  }
}

/** `kill -9`, unless the process has ended. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
