/**
 * Notices that other programs took away or replaced the daemon's own directories while it runs. What only
 * passes through, or is kept for people, is made anew. Without the rest nothing may be acknowledged.
 */
import type { Logger } from "../../../log.ts";
import type { DurableFiles } from "./durable-files.ts";
import type { FileSystem } from "./file-system.ts";
import { makeDirectory, type OwnDirectories } from "./own-directories.ts";

/** How often it is looked. */
const lookMs = 500;

export interface OwnPlaceOptions {
  fs: FileSystem;
  own: OwnDirectories;
  files: DurableFiles;
  logger: Logger;
  /** Why nothing that is written to the journal from now on would be found again; undefined if it would. */
  whyJournalIsLost: () => string | undefined;
  /** Told why nothing may be acknowledged any more, each time that it is looked. */
  onLost: (why: string) => void;
}

export class OwnPlace {
  readonly #options: OwnPlaceOptions;
  readonly #identities = new Map<string, string | undefined>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OwnPlaceOptions) {
    this.#options = options;
    const { base, journal, staging, trash, quarantine } = options.own;
    for (const path of [base, journal, staging, trash, quarantine])
      this.#identities.set(path, this.#identity(path));
  }

  /** Begins to look from time to time. */
  begin(): void {
    this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const { own, whyJournalIsLost, onLost } = this.#options;
    const why = this.whyLost() ?? whyJournalIsLost();
    if (why !== undefined) onLost(why);
    else for (const path of [own.staging, own.trash, own.quarantine]) this.#lookAtMinor(path);
  }

  /** Whether a directory that nothing can do without is no longer the one that was opened, and how. */
  whyLost(): string | undefined {
    const { base, journal } = this.#options.own;
    for (const path of [base, journal]) {
      const identity = this.#identity(path);
      if (identity === undefined) return `${path} was taken away by another program`;
      if (identity !== this.#identities.get(path))
        return `${path} was replaced by another program with another directory`;
    }
    return undefined;
  }

  #lookAtMinor(path: string): void {
    const { fs, files, logger, onLost } = this.#options;
    const identity = this.#identity(path);
    if (identity !== undefined && identity === this.#identities.get(path)) return;
    try {
      if (identity === undefined) makeDirectory(fs, path);
      const made = this.#identity(path);
      if (made === undefined) throw new Error("it is no directory");
      this.#identities.set(path, made);
      files.reopen(path);
      const what =
        identity === undefined
          ? "was removed by another program, with what was in it; it was made anew"
          : "was replaced by another program; what is in it now is read at the next start";
      logger.warn(`${path} ${what}`);
    } catch (error) {
      onLost(
        `${path} was taken away by another program, and cannot be made anew: ${(error as Error).message}`,
      );
    }
  }

  /** Which directory is at a path; undefined if none is, or if nobody can tell. */
  #identity(path: string): string | undefined {
    try {
      const stats = this.#options.fs.lstatSync(path);
      return stats?.isDirectory() ? `${stats.dev}:${stats.ino}` : undefined;
    } catch {
      return undefined;
    }
  }
}
