/** Saves the index from time to time, so that the next start need not read every file. */
import { join } from "node:path";
import type { Logger } from "../../../log.ts";
import type { DurableFiles } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { stateMeaning } from "../disk/state-files.ts";
import type { StateQuarantine } from "../disk/state-quarantine.ts";
import type { FileCatalog } from "./file-catalog.ts";
import { encodeSavedIndex, readSavedIndex, type SavedFile } from "./saved-index.ts";

const fileName = "index";
const saveIntervalMs = 300_000;

export interface IndexSaverOptions {
  /** The daemon's own directory. */
  directory: string;
  fs: FileSystem;
  files: DurableFiles;
  quarantine: StateQuarantine;
  catalog: FileCatalog;
  logger: Logger;
}

/** Whether an index was saved in the daemon's own directory. */
export function hasSavedIndex(fs: FileSystem, directory: string): boolean {
  return fs.lstatSync(join(directory, fileName)) !== undefined;
}

export class IndexSaver {
  readonly #options: IndexSaverOptions;
  #hasChanged = false;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: IndexSaverOptions) {
    this.#options = options;
  }

  load(): AsyncGenerator<SavedFile[]> {
    const { fs, directory, quarantine } = this.#options;
    const path = join(directory, fileName);
    return readSavedIndex(fs, path, (why) => {
      quarantine.move(path, fileName, stateMeaning(path, `cannot be used (${why})`));
    });
  }

  /**
   * Begins to save, once everything was compared with the files. `isCurrent` says that the saved index holds
   * everything.
   */
  begin(isCurrent: boolean): void {
    this.#hasChanged = !isCurrent;
    this.#options.catalog.index.subscribe(() => {
      this.#hasChanged = true;
    });
    this.#timer = setInterval(() => void this.save(), saveIntervalMs).unref();
    if (!isCurrent) void this.save();
  }

  /** Never rejects: a failure only costs the next start the time to read the files. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.save();
  }

  async #save(): Promise<void> {
    if (!this.#hasChanged) return;
    this.#hasChanged = false;
    const { directory, files, catalog, logger } = this.#options;
    try {
      const bytes = await encodeSavedIndex(catalog.toSave());
      await files.write(directory, fileName, bytes, { mode: 0o640 });
    } catch (error) {
      this.#hasChanged = true;
      logger.warn({ err: error }, "the index could not be saved; the next start reads every file");
    }
  }
}
