/** Whose turn it is: changes of one session run one after another, in the queue of its file, wherever that is by then. */

import type { KeyedQueue } from "../../../async/keyed-queue.ts";
import { systemErrorCode } from "../../../error.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { fileFor } from "../disk/session-codec.ts";
import type { LiveSessions } from "../reported/reported-sessions.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import { FileInDoubt } from "../view/doubts.ts";

export interface SessionTurnsOptions {
  queue: KeyedQueue;
  view: DirectoryView;
  lives: LiveSessions;
}

export class SessionTurns {
  readonly #options: SessionTurnsOptions;
  readonly #changes = new Map<string, { count: number; last: number }>();
  #asked = 0;

  constructor(options: SessionTurnsOptions) {
    this.#options = options;
  }

  /** Runs a change. No report is under way then, and those that are made meanwhile wait until it is over. */
  async change<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    const { lives } = this.#options;
    this.#changes.set(id, { count: (this.#changes.get(id)?.count ?? 0) + 1, last: ++this.#asked });
    try {
      return await this.run(id, async (file) => {
        const live = lives.get(id);
        if (live !== undefined) await lives.quiet(live);
        return task(file);
      });
    } finally {
      const { count, last } = this.#changes.get(id) ?? { count: 1, last: 0 };
      if (count === 1) this.#changes.delete(id);
      else this.#changes.set(id, { count: count - 1, last });
    }
  }

  /** Tells the last of the changes that wait for their turn or run from any other; undefined if there is none. */
  lastChange(id: SessionId): number | undefined {
    return this.#changes.get(id)?.last;
  }

  /** Runs anything else. Reports go on meanwhile. */
  async run<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    const { view } = this.#options;
    for (;;) {
      const file = this.locate(id);
      await view.whenSure(file);
      const result = await this.runFor(file, async () =>
        (view.catalog.fileOf(id) ?? file) === file ? { value: await task(file) } : undefined,
      );
      if (result !== undefined) return result.value;
    }
  }

  /** Runs in the queue of a file, whatever it holds. A task that meets a doubt about a file is begun anew when that is over. */
  async runFor<T>(file: string, task: () => Promise<T>): Promise<T> {
    const { queue, view } = this.#options;
    for (;;) {
      try {
        return await queue.run(file, task);
      } catch (error) {
        if (!(error instanceof FileInDoubt)) throw error;
        await view.whenSure(error.file);
      }
    }
  }

  /** Runs a task for the first file name that is free: one that returns undefined or meets EEXIST is taken. */
  async firstFree<T>(
    names: readonly string[],
    task: (file: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const file of names) {
      const result = await this.runFor(file, async () => {
        try {
          return await task(file);
        } catch (error) {
          if (systemErrorCode(error) === "EEXIST") return undefined;
          throw error;
        }
      });
      if (result !== undefined) return result;
    }
    return undefined;
  }

  /** The file of a session, also of one that cannot be read or does not exist yet. */
  locate(id: SessionId): string {
    const { catalog } = this.#options.view;
    return catalog.fileOf(id) ?? catalog.unreadableFor(id) ?? fileFor(id);
  }
}
