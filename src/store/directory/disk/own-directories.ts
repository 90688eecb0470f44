import { constants } from "node:fs";
import { dirname, join } from "node:path";
import { SessiondError } from "../../../error.ts";
import type { FileSystem } from "./file-system.ts";

/** What the daemon keeps for itself, all of it below `.sessiond/` in the sessions directory. */
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

/** @throws SessiondError `storage_failed` for a symbolic link: what is swept must be ours */
export function makeDirectories(fs: FileSystem, own: OwnDirectories): void {
  for (const path of [own.base, own.staging, own.trash, own.quarantine, own.journal]) {
    makeDirectory(fs, path);
    if (!fs.lstatSync(path)?.isDirectory()) {
      throw new SessiondError("storage_failed", `${path} is a symbolic link; put a directory in its place`);
    }
  }
}

/** Makes a directory if it is missing, with its name in the one above durable. */
export function makeDirectory(fs: FileSystem, path: string): void {
  const created = fs.mkdirSync(path, { recursive: true, mode: 0o750 });
  if (created === undefined) return;
  for (let above = path; above !== dirname(created); ) {
    above = dirname(above);
    syncDirectory(fs, above);
  }
}

/** Makes the names in a directory durable. For the start, before there is anybody to keep waiting. */
export function syncDirectory(fs: FileSystem, path: string): void {
  const fd = fs.openSync(path, constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Takes away what interrupted writes left. Only the holder of the lock may judge that nobody writes it any more. */
export function sweepStaging(fs: FileSystem, own: OwnDirectories): void {
  for (const name of fs.readdirSync(own.staging))
    fs.rmSync(join(own.staging, name), { recursive: true, force: true });
}
