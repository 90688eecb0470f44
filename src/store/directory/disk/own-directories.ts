/**
 * The directories of the daemon's own, all of them below `.sessiond/` in the sessions directory: where they
 * are, making them, and sweeping what interrupted writes left.
 */
import { constants } from "node:fs";
import { dirname, join } from "node:path";
import { SessiondError } from "../../../error.ts";
import { shellQuote } from "../../../text/shell-quote.ts";
import type { FileSystem } from "./file-system.ts";

export interface OwnDirectories {
  base: string;
  /** Files being written; empty when nothing is. */
  staging: string;
  trash: string;
  quarantine: string;
  journal: string;
}

export function ownDirectories(sessionsDirectory: string): OwnDirectories {
  const base = join(sessionsDirectory, ".sessiond");
  return {
    base,
    staging: join(base, "staging"),
    trash: join(base, "trash"),
    quarantine: join(base, "quarantine"),
    journal: join(base, "journal"),
  };
}

/** @throws SessiondError `storage_failed` for anything else in their places: nothing there may be swept */
export function makeDirectories(fs: FileSystem, own: OwnDirectories): void {
  for (const path of [own.base, own.staging, own.trash, own.quarantine, own.journal])
    if (!assertDirectory(fs, path)) makeDirectory(fs, path);
}

/** Whether a directory is there. @throws SessiondError `storage_failed` for anything else */
export function assertDirectory(fs: FileSystem, path: string): boolean {
  const stats = fs.lstatSync(path);
  if (stats?.isSymbolicLink()) throw inTheWay(path, "a symbolic link", "a directory");
  if (stats?.isDirectory() === false) throw inTheWay(path, "not a directory", "a directory");
  return stats !== undefined;
}

/** Something is where sessiond needs a file or directory of its own, and may belong to somebody. */
export function inTheWay(path: string, is: string, needed: string): SessiondError {
  const away = `mv ${shellQuote(path)} ${shellQuote(`${path}.moved`)}`;
  const message = `${path} is ${is}; sessiond needs ${needed} there. Move it away, then start again: ${away}`;
  return new SessiondError("storage_failed", message);
}

/**
 * Makes a directory, and those above it, if it is missing. The names of all that were made are durable then.
 */
export function makeDirectory(fs: FileSystem, path: string): void {
  const created = fs.mkdirSync(path, { recursive: true, mode: 0o750 });
  if (created === undefined) return;
  for (let above = path; above !== dirname(created); ) {
    above = dirname(above);
    syncDirectory(fs, above);
  }
}

/**
 * Makes the names in a directory durable. Blocks the event loop: for the start, when nobody is served yet.
 */
export function syncDirectory(fs: FileSystem, path: string): void {
  const fd = fs.openSync(path, constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Removes what interrupted writes left. Only for the holder of the lock: then nobody else writes there. */
export function sweepStaging(fs: FileSystem, own: OwnDirectories): void {
  for (const name of fs.readdirSync(own.staging))
    fs.rmSync(join(own.staging, name), { recursive: true, force: true });
}
