import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { SessiondError } from "../../../error.ts";

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
export function makeDirectories(own: OwnDirectories): void {
  for (const path of [own.base, own.staging, own.trash, own.quarantine, own.journal]) {
    makeDirectory(path);
    if (!lstatSync(path).isDirectory()) {
      throw new SessiondError("storage_failed", `${path} is a symbolic link; put a directory in its place`);
    }
  }
}

/** Makes a directory if it is missing, with its name in the one above durable. */
export function makeDirectory(path: string): void {
  const created = mkdirSync(path, { recursive: true, mode: 0o750 });
  if (created === undefined) return;
  for (let above = path; above !== dirname(created); ) {
    above = dirname(above);
    const fd = openSync(above, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** Takes away what interrupted writes left. Only the holder of the lock may judge that nobody writes it any more. */
export function sweepStaging(own: OwnDirectories): void {
  for (const name of readdirSync(own.staging))
    rmSync(join(own.staging, name), { recursive: true, force: true });
}
