/**
 * Prepares a sessions directory before anything in it is read: makes it, locks it, checks its format, and
 * sweeps what interrupted writes left.
 */
import { join, resolve } from "node:path";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import type { FileSystem } from "./file-system.ts";
import { assertKnownFormat, recordFormat } from "./format-record.ts";
import {
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
  makeDirectory(fs, resolve(path));
  const directory = fs.realpathSync(path);
  const own = ownDirectories(directory);
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
