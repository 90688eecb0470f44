/**
 * Prepares a sessions directory before anything in it is read: makes it, locks it, checks its format, and
 * sweeps what interrupted writes left.
 */
import { join, resolve } from "node:path";
import { SessiondError, systemErrorCode } from "../../../error.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import type { FileSystem } from "./file-system.ts";
import { assertKnownFormat, recordFormat } from "./format-record.ts";
import {
  assertDirectory,
  makeDirectories,
  makeDirectory,
  type OwnDirectories,
  ownDirectories,
  sweepStaging,
} from "./own-directories.ts";

export interface PreparedDirectory {
  /** The real path, with no symbolic link in it. */
  directory: string;
  own: OwnDirectories;
  /** Held until it is released. */
  lock: DirectoryLock;
}

/**
 * @throws SessiondError `directory_locked`, `directory_too_new`, `storage_failed`; the file system's errors
 */
export function prepareDirectory(fs: FileSystem, path: string): PreparedDirectory {
  makeSessionsDirectory(fs, resolve(path));
  const directory = fs.realpathSync(path);
  const own = ownDirectories(directory);
  assertDirectory(fs, own.base);
  assertKnownFormat(fs, own);
  makeDirectories(fs, own);
  const lock = lockDirectory(fs, directory, join(own.base, "lock"));
  try {
    // Checked again: from here on nobody else can change it.
    assertKnownFormat(fs, own);
    sweepStaging(fs, own);
    recordFormat(fs, own);
  } catch (error) {
    lock.release();
    throw error;
  }
  return { directory, own, lock };
}

/** @throws SessiondError `storage_failed` where there can be none */
function makeSessionsDirectory(fs: FileSystem, path: string): void {
  try {
    makeDirectory(fs, path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOSPC") throw error;
    const why =
      systemErrorCode(error) === "EEXIST" ? "there is a file that is no directory" : (error as Error).message;
    const message = `cannot make the sessions directory ${path}: ${why}; choose another directory`;
    throw new SessiondError("storage_failed", message, { cause: error });
  }
}
