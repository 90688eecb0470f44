/** A session as a file: naming it, and telling two states of the file apart. Pure. */
import type { BigIntStats } from "node:fs";
import { safeName, uniqueName } from "../../../session/session-id.ts";

/** Whether a name in the sessions directory is that of a session: `*.json`, and not hidden. */
export function isSessionFile(name: string): boolean {
  return name.endsWith(".json") && !name.startsWith(".");
}

/** The name of a session's file. */
export function fileFor(id: string): string {
  return `${safeName(id)}.json`;
}

/** The name of a session's file where `fileFor` gives a name that belongs to another session already. */
export function alternativeFileFor(id: string): string {
  return `${uniqueName(id)}.json`;
}

/**
 * What tells one state of a file from the next. A rewrite changes the inode or the time, at the resolution of
 * the file system's clock; the size catches most of what happens within one tick of it.
 */
export type Identity = string;

export function identityOf(stats: BigIntStats): Identity {
  return `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}

/** The end of a file name, of at most 200 bytes: the end tells most. */
export function shortened(file: string): string {
  let name = file;
  while (Buffer.byteLength(name) > 200) name = name.slice(1);
  return name.toWellFormed();
}
