/**
 * Decides whose turn it is. Changes of one session run one after another, in the queue of its file. Reports
 * run beside anything but a change.
 */
import { isSessiondError, systemErrorCode } from "../../../error.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { TargetChanged } from "../disk/durable-files.ts";
import { fileFor } from "../disk/session-file.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import { FileInDoubt } from "../view/doubts.ts";
import { busy } from "./refusals.ts";
import type { SessionSlots } from "./session-slots.ts";

/** How often a change starts again because another program wrote at the same time. */
const changeAttempts = 10;

export interface SessionTurnsOptions {
  view: DirectoryView;
  slots: SessionSlots;
}

export class SessionTurns {
  readonly #options: SessionTurnsOptions;
  #asked = 0;

  constructor(options: SessionTurnsOptions) {
    this.#options = options;
  }

  /**
   * Runs a change. Reports that are under way end first, and reports that come meanwhile wait until the
   * change is over.
   */
  async change<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    const { slots } = this.#options;
    const slot = slots.open(id);
    slot.changes++;
    slot.newestChange = ++this.#asked;
    try {
      return await this.run(id, async (file) => {
        await slots.reported(id)?.idle();
        return task(file);
      });
    } finally {
      slot.changes--;
      slots.release(id);
    }
  }

  /**
   * As `change`. The task starts again if it throws TargetChanged, because another program changed the file
   * meanwhile.
   */
  changeUndisturbed<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    return this.change(id, async (file) => {
      for (let count = 0; count < changeAttempts; count++) {
        try {
          return await task(file);
        } catch (error) {
          if (!(error instanceof TargetChanged)) throw error;
        }
      }
      throw busy(id);
    });
  }

  /** Number of the newest change that waits or runs; 0 if there is none. */
  newestChange(id: SessionId): number {
    const slot = this.#options.slots.find(id);
    return slot === undefined || slot.changes === 0 ? 0 : slot.newestChange;
  }

  /**
   * Runs a task that is no change. Reports go on meanwhile. The task starts again if another file has become
   * that of the session, so that it missed the session in this one.
   */
  async run<T>(id: SessionId, task: (file: string) => Promise<T>): Promise<T> {
    const { view } = this.#options;
    for (;;) {
      const file = this.locate(id);
      await view.whenSure(file);
      const hasMoved = () => (view.catalog.fileOf(id) ?? file) !== file;
      const result = await this.runFor(file, async () => {
        if (hasMoved()) return undefined;
        try {
          return { value: await task(file) };
        } catch (error) {
          if (hasMoved() && isSessiondError(error, "session_not_found")) return undefined;
          throw error;
        }
      });
      if (result !== undefined) return result.value;
    }
  }

  /**
   * Runs a task in the queue of a file, whatever the file holds. A task that meets a file in doubt starts
   * again when the doubt is over.
   */
  async runFor<T>(file: string, task: () => Promise<T>): Promise<T> {
    const { view } = this.#options;
    for (;;) {
      try {
        return await view.run(file, task);
      } catch (error) {
        if (!(error instanceof FileInDoubt)) throw error;
        await view.whenSure(error.file);
      }
    }
  }

  /**
   * Runs a task for the first file name that is free. A name is taken if the task returns undefined or fails
   * with EEXIST.
   */
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

  /** The file of a session, even of one that cannot be read or does not exist yet. */
  locate(id: SessionId): string {
    const { catalog } = this.#options.view;
    return catalog.fileOf(id) ?? catalog.unreadableFor(id) ?? fileFor(id);
  }
}
