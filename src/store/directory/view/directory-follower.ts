/**
 * Follows the directory: reads everything at the start, then looks at each file that a hint names, and
 * compares all files from time to time, because hints can be lost. Decides when to look; the view finds out
 * what is there.
 */
import { eachInSlices, yieldIfDue } from "../../../async/slices.ts";
import type { HealthProblem } from "../../../contract/replies.ts";
import type { Logger } from "../../../log.ts";
import type { Clock } from "../../../time/clock.ts";
import type { StoreFacts } from "../../session-store.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { adoptSavedIndex } from "./adopt-saved-index.ts";
import type { DirectoryView } from "./directory-view.ts";
import { fileProblems } from "./file-problems.ts";
import { listSessionFiles } from "./list-session-files.ts";
import { ReadRetries } from "./read-retries.ts";
import { Rescan } from "./rescan.ts";
import type { SavedFile } from "./saved-index.ts";
import { type Watcher, watchDirectory } from "./watcher.ts";

/** Without a watch, comparing is all there is, so it must be frequent. */
const pollIntervalMs = 2000;

export interface FollowerOptions {
  fs: FileSystem;
  directory: string;
  rescanIntervalMs: number;
  clock: Clock;
  logger: Logger;
}

export class DirectoryFollower {
  readonly #options: FollowerOptions;
  readonly #view: DirectoryView;
  readonly #rescan: Rescan;
  readonly #retries = new ReadRetries((file) => void this.#follow(file));
  #watcher: Watcher | undefined;
  #watchFailure: string | undefined;
  /** Until everything was read once. */
  #hintedAtStart: Set<string> | undefined = new Set();
  #closed = false;

  constructor(options: FollowerOptions, view: DirectoryView) {
    this.#options = options;
    this.#view = view;
    this.#rescan = new Rescan({
      ...options,
      compare: () => this.#compareAll(),
      intervalMs: () => this.#intervalMs(),
      onLook: () => {
        if (view.place.isHeld()) view.place.recovered();
      },
    });
  }

  /**
   * Starts to watch before it reads, so that no change falls between. Files that have not changed since the
   * index was saved are not read. Resolves with whether that was all of them.
   */
  async open(saved: AsyncIterable<SavedFile[]>): Promise<boolean> {
    const { fs, directory, logger } = this.#options;
    const { catalog } = this.#view;
    this.#watcher = await watchDirectory(
      directory,
      (file) => this.#follow(file),
      (reason) => {
        this.#watchFailure = reason;
        this.#rescan.arm();
      },
      logger,
    );
    const [isAllAdopted, files] = await Promise.all([
      adoptSavedIndex(saved, fs, directory, catalog),
      listSessionFiles(fs, directory),
    ]);
    let isCurrent = isAllAdopted;
    const others: string[] = [];
    await eachInSlices(files, (file) => {
      if (catalog.get(file) === undefined) others.push(file);
    });
    for (const file of others) {
      isCurrent = false;
      await yieldIfDue();
      this.#view.glance(file);
      this.#retryIfUnreadable(file);
    }
    // A file that went away between the look at it and its entry in the catalog was not known when its hint
    // came.
    for (const file of this.#hintedAtStart ?? []) await this.#view.refresh(file, { isSure: true });
    this.#hintedAtStart = undefined;
    this.#rescan.begin();
    return isCurrent;
  }

  /** Compares everything with the directory. Resolves when no file is in doubt any more. */
  reconcile(): Promise<void> {
    return this.#rescan.run();
  }

  facts(): Omit<StoreFacts, "kind" | "location"> {
    return {
      changes_seen_by: this.#isWatching() ? "watching" : "polling",
      last_reconcile_time: this.#rescan.lastTime,
      rescan_interval_ms: this.#intervalMs(),
    };
  }

  problems(): HealthProblem[] {
    const problems = this.#view.place.problems();
    if (!this.#isWatching()) {
      const often = `every ${this.#intervalMs()} ms`;
      problems.push({
        code: "watcher_degraded",
        message: `changes by other programs are seen only ${often}: ${this.#watchFailure}`,
        hint: "raise fs.inotify.max_user_watches or max_user_instances with sysctl, then restart sessiond",
        session_id: null,
      });
    }
    return [...problems, ...fileProblems(this.#view.catalog)];
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retries.close();
    this.#view.close();
    await this.#watcher?.close();
    await this.#rescan.close();
  }

  /** A hint, or the time to read an unreadable file again. */
  async #follow(file: string): Promise<void> {
    if (this.#closed) return;
    this.#hintedAtStart?.add(file);
    await this.#view.refresh(file);
    this.#retryIfUnreadable(file);
  }

  /** A file that cannot be read may be half written: it is read again soon. */
  #retryIfUnreadable(file: string): void {
    const state = this.#view.catalog.get(file);
    if (state?.kind !== "unreadable") this.#retries.forget(file);
    else if (!this.#retries.retryLater(file))
      this.#options.logger.warn({ file, why: state.why }, "a session file cannot be read");
  }

  /** Resolves with whether everything was compared. */
  async #compareAll(): Promise<boolean> {
    const { fs, directory, logger } = this.#options;
    const { catalog, place } = this.#view;
    let present: Set<string>;
    try {
      present = new Set(await listSessionFiles(fs, directory));
    } catch (error) {
      // A directory that cannot be read is not an empty one: what is known stays known.
      place.failed(error as Error);
      logger.error({ err: error }, "the sessions directory cannot be read");
      return false;
    }
    place.recovered();
    for (const file of present) {
      await yieldIfDue();
      if (this.#closed) return false;
      if (!this.#view.isCurrent(file)) await this.#view.refresh(file);
    }
    for (const file of [...catalog.names()]) {
      await yieldIfDue();
      if (!present.has(file)) await this.#view.refresh(file);
    }
    await this.#view.whenAllSure();
    return true;
  }

  #isWatching(): boolean {
    return this.#watcher?.watching() ?? false;
  }

  #intervalMs(): number {
    const { rescanIntervalMs } = this.#options;
    return this.#isWatching() ? rescanIntervalMs : Math.min(rescanIntervalMs, pollIntervalMs);
  }
}
