/**
 * Writes files that survive a power cut. A write has five steps: stage (write-file-atomic writes and syncs
 * the bytes in a directory that nobody watches), verify (the library reports success on a short write, so the
 * size is compared), inspect (the caller may check the target once more), commit (rename into place, or link
 * where nothing may be replaced), and sync the directory.
 *
 * The room store/directory/disk/ owns files: durable writes, reading documents, the layout of the
 * directory, the lock, and the one interface to the file system. It does not know what its callers use a file
 * for.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { SessiondError, systemErrorCode } from "../../../error.ts";
import type { FileSystem, OpenFile } from "./file-system.ts";
import { type Identity, identityOf } from "./session-file.ts";

/** The target is no longer the file that the caller looked at. */
export class TargetChanged extends Error {}

export interface WriteOptions {
  mode: number;
  /** Fail with EEXIST rather than replace what is there. */
  exclusive?: boolean;
  /** Called right before the commit: nothing happens between the two. If it throws, the write is undone. */
  inspect?: (() => void) | undefined;
}

export type Place = readonly [directory: string, name: string];

export class DurableFiles {
  readonly #fs: FileSystem;
  readonly #stagingDirectory: string;
  readonly #often: readonly string[];
  readonly #directories = new Map<string, DirectorySync>();
  readonly #onSyncFailure: (error: Error) => void;
  #staged = 0;
  #failure: SessiondError | undefined;

  /**
   * `directories` are those that are written to often: from `open` to `close` their descriptors are open, so
   * that a sync costs less, and never fails for want of a descriptor. `onSyncFailure` is called when a sync
   * failed: from then on the page cache cannot be trusted.
   */
  constructor(
    fs: FileSystem,
    stagingDirectory: string,
    directories: readonly string[],
    onSyncFailure: (error: Error) => void,
  ) {
    this.#fs = fs;
    this.#stagingDirectory = stagingDirectory;
    this.#often = directories;
    this.#onSyncFailure = onSyncFailure;
  }

  open(): void {
    for (const directory of this.#often) this.reopen(directory);
  }

  /**
   * Writes a whole file. Resolves with its identity once it is durable.
   *
   * @throws SessiondError `storage_full`, `storage_failed`; TargetChanged; EEXIST
   */
  async write(directory: string, name: string, bytes: Uint8Array, options: WriteOptions): Promise<Identity> {
    const staged = join(this.#stagingDirectory, `${++this.#staged}`);
    const target = join(directory, name);
    let identity: Identity;
    try {
      await this.#fs.writeSynced(staged, bytes, options.mode);
      const stats = this.#fs.lstatSync(staged);
      if (stats === undefined)
        throw new SessiondError("storage_failed", `${staged} was taken away while it was being written`);
      if (stats.size !== BigInt(bytes.length)) {
        throw new SessiondError(
          "storage_full",
          `only ${stats.size} of ${bytes.length} bytes were written: the disk is full`,
        );
      }
      identity = identityOf(stats);
      options.inspect?.();
      this.#commit(staged, target, options.exclusive ?? false);
    } catch (error) {
      this.#tryUnlink(staged);
      if (error instanceof TargetChanged || systemErrorCode(error) === "EEXIST") throw error;
      throw this.#explain(error);
    }
    await this.sync(directory);
    return identity;
  }

  /**
   * Renames durably, within one file system. `inspect` is called right before the rename.
   *
   * @throws SessiondError `storage_failed`; TargetChanged, also when there is nothing to rename; EEXIST
   */
  async move(
    from: Place,
    to: Place,
    options: Pick<WriteOptions, "exclusive" | "inspect"> = {},
  ): Promise<void> {
    try {
      options.inspect?.();
      this.#commit(join(...from), join(...to), options.exclusive ?? false);
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") throw new TargetChanged();
      if (error instanceof TargetChanged || systemErrorCode(error) === "EEXIST") throw error;
      throw this.#explain(error);
    }
    await Promise.all([this.sync(to[0]), this.sync(from[0])]);
  }

  /**
   * Removes durably. A file that is gone already is no error. `inspect` is called right before the removal.
   */
  async remove(directory: string, name: string, inspect: () => void): Promise<void> {
    try {
      inspect();
      this.#fs.unlinkSync(join(directory, name));
    } catch (error) {
      if (error instanceof TargetChanged) throw error;
      if (systemErrorCode(error) !== "ENOENT") throw this.#explain(error);
    }
    await this.sync(directory);
  }

  /** Makes the names in a directory durable. Callers that wait at the same time share one sync. */
  async sync(directory: string): Promise<void> {
    // A sync that succeeds after one that failed proves nothing: the kernel may have dropped what it could
    // not write.
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await (this.#directories.get(directory)?.sync() ?? this.#syncOnce(directory));
    } catch (error) {
      throw this.syncFailed(`${directory} could not be synced`, error);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Another directory is at the path of one that is written to often. */
  reopen(directory: string): void {
    void this.#directories.get(directory)?.close();
    this.#directories.set(directory, new DirectorySync(this.#fs, directory));
  }

  /**
   * Notes that a sync failed: from now on nothing is acknowledged. Returns the error for the change that was
   * under way, whose outcome is unknown.
   */
  syncFailed(what: string, cause: unknown): SessiondError {
    const message = `${what}: ${(cause as Error).message}`;
    const failure = new SessiondError("storage_failed", message, { cause, outcome: "unknown" });
    this.#failure ??= failure;
    this.#onSyncFailure(failure);
    return failure;
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#directories.values(), (entry) => entry.close()));
    this.#directories.clear();
  }

  /**
   * Synchronous, so that only microseconds lie between the last look at the target and the commit: in the
   * thread pool a rename would wait behind syncs. Where nothing may be replaced, the file gets its new name
   * first, and then loses the old one.
   */
  #commit(from: string, to: string, exclusive: boolean): void {
    const fs = this.#fs;
    if (!exclusive) {
      fs.renameSync(from, to);
      return;
    }
    try {
      fs.linkSync(from, to);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code !== "EPERM" && code !== "ENOTSUP" && code !== "EMLINK") throw error;
      // No hard links on this file system. Opening with O_EXCL claims the name instead.
      fs.closeSync(fs.openSync(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY));
      fs.renameSync(from, to);
      return;
    }
    // The file is in place: it is no failure if the old name stays. A second attempt helps where the first
    // was interrupted.
    if (!this.#tryUnlink(from)) this.#tryUnlink(from);
  }

  #tryUnlink(path: string): boolean {
    try {
      this.#fs.unlinkSync(path);
      return true;
    } catch {
      return false;
    }
  }

  async #syncOnce(path: string): Promise<void> {
    const file = await this.#fs.open(path, constants.O_RDONLY);
    await file.sync().finally(() => file.close());
  }

  #explain(error: unknown): SessiondError {
    const failure = storageError(error);
    const { syscall } = error as NodeJS.ErrnoException;
    if (failure.code === "storage_failed" && syscall === "fsync")
      this.syncFailed("a file could not be synced", error);
    return failure;
  }
}

/**
 * Translates an error of the file system into one of the contract. Any other error is a bug, and thrown as it
 * is.
 */
export function storageError(error: unknown): SessiondError {
  if (error instanceof SessiondError) return error;
  const code = systemErrorCode(error);
  if (code === undefined) throw error;
  const { message } = error as Error;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new SessiondError(
      "storage_full",
      `nothing was changed: ${message}; free some space and try again`,
      { cause: error },
    );
  }
  return new SessiondError("storage_failed", `nothing was changed: ${message}`, { cause: error });
}

/** As {@link FileSystem.writeSynced}. */
export async function writeSynced(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  // A fresh options object each time: the library writes into it.
  await writeFileAtomic(path, bytes as Buffer, { mode, fsync: true });
}

/** Syncs one directory, whose descriptor stays open. */
class DirectorySync {
  readonly #handle: Promise<OpenFile>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(fs: FileSystem, path: string) {
    this.#handle = fs.open(path, constants.O_RDONLY);
    this.#handle.catch(() => {});
  }

  /**
   * Resolves when a sync has ended that began after this call: one that runs already may have missed the
   * caller's change.
   */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    // If the running sync fails, the next one fails without being tried.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    this.#running = this.#sync().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sync(): Promise<void> {
    await (await this.#handle).sync();
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#running)?.catch(() => {});
    await (await this.#handle.catch(() => undefined))?.close();
  }
}
