/** Tells the clients of a store who serves it, and how that ended. What cannot be written is only logged. */
import type { Logger } from "../log.ts";
import { type DaemonFile, removeDaemonFile, writeDaemonFile } from "../personal/daemon-file.ts";

/** Why a daemon stops: somebody wants it, nobody uses it, or its storage has failed. */
export type StopCause = "asked" | "idle" | "failed";

export class ServingNote {
  readonly #store: string;
  readonly #logger: Logger;
  #written: Omit<DaemonFile, "stopped_time"> | undefined;

  constructor(store: string, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  begin(daemon: Omit<DaemonFile, "stopped_time">): void {
    this.#written = daemon;
    this.#try(() => writeDaemonFile(this.#store, { ...daemon, stopped_time: null }));
  }

  /**
   * After a stop that somebody asked for, running clients must not start the daemon again; after one because
   * nobody used it, anybody may. After a failure the note stays, as after a crash.
   */
  end(why: StopCause, time: string): void {
    const daemon = this.#written;
    if (why === "failed" || daemon === undefined) return;
    this.#try(() => {
      if (why === "idle") removeDaemonFile(this.#store);
      else writeDaemonFile(this.#store, { ...daemon, stopped_time: time });
    });
  }

  #try(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#logger.warn({ err: error }, "cannot tell clients of this store who serves it");
    }
  }
}
