/**
 * The directories of the daemon's own, all of them below `.sessiond/` in the sessions directory: where they
 * are, making them, and sweeping what interrupted writes left.
 */
import { constants } from "node:fs";
import { dirname, join } from "node:path";
import { SessiondError } from "../../../error.ts";
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

/** @throws SessiondError `storage_failed` for a symbolic link: sweeping must not reach another place */
export function makeDirectories(fs: FileSystem, own: OwnDirectories): void {
  for (const path of [own.base, own.staging, own.trash, own.quarantine, own.journal]) {
    makeDirectory(fs, path);
    if (!fs.lstatSync(path)?.isDirectory()) {
      throw new SessiondError("storage_failed", `${path} is a symbolic link; put a directory in its place`);
    }
  }
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
