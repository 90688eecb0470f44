/**
 * Looks at the daemon's own files before any of them is read: what another program put in the place of one
 * (a directory, a link, a pipe, something far too large) is moved to quarantine, so that nothing waits for a
 * pipe, follows a link or fails for ever. What these files hold is the affair of those who read them.
 */
import { join } from "node:path";
import { systemErrorCode } from "../../../error.ts";
import type { FileSystem } from "./file-system.ts";
import { inTheWay, type OwnDirectories } from "./own-directories.ts";
import type { StateQuarantine } from "./state-quarantine.ts";

/** The names of state files, but for those whose owners refuse the start themselves. */
const stateFile = /^(?:index|[a-z_]+(?:\.1)?\.jsonl?)$/;
const refusedByOwner = ["format.json"];

const mebibyte = 1024n * 1024n;

/** What is larger was never written by sessiond. */
function mostBytes(name: string): bigint {
  if (name === "index") return 1024n * mebibyte;
  return (name.endsWith(".jsonl") ? 128n : 256n) * mebibyte;
}

/** @throws the file system's errors if something cannot be moved away */
export function putOddFilesAside(fs: FileSystem, own: OwnDirectories, quarantine: StateQuarantine): void {
  for (const name of fs.readdirSync(own.base)) {
    if (!stateFile.test(name) || refusedByOwner.includes(name)) continue;
    const path = join(own.base, name);
    const why = whyOdd(fs, path, mostBytes(name));
    if (why !== undefined) putAside(quarantine, path, name, why);
  }
}

/** @throws SessiondError `storage_failed` for what belongs to another user */
function putAside(quarantine: StateQuarantine, path: string, name: string, why: string): void {
  try {
    quarantine.move(path, name, stateMeaning(path, why));
  } catch (error) {
    if (systemErrorCode(error) === "EACCES" || systemErrorCode(error) === "EPERM")
      throw inTheWay(
        path,
        `${why.replace(/^is /, "")}, and cannot be moved by this user`,
        "a file of its own",
      );
    throw error;
  }
}

/** Why something is not a file that sessiond can have written; undefined if it is one, or nothing. */
export function whyOdd(fs: FileSystem, path: string, most: bigint): string | undefined {
  const stats = fs.lstatSync(path);
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) return "is a directory";
  if (stats.isSymbolicLink()) return "is a symbolic link";
  if (!stats.isFile()) return "is not a regular file";
  return stats.size > most ? `is too large (${stats.size} bytes)` : undefined;
}

/** What `health` says of a state file that begins anew. */
export function stateMeaning(path: string, why: string) {
  return {
    code: "state_quarantined",
    message: `the state file ${path} ${why}, and begins anew`,
    hint: `${consequence(path)}; no session depends on it`,
  };
}

function consequence(path: string): string {
  if (path.endsWith("/leases.json")) return "workers that were attached must attach again";
  if (path.endsWith("/approvals.json")) return "cleanup plans that waited for approval are made again";
  if (path.endsWith("/schedule.json")) return "runs of cleanup that were missed are not caught up";
  if (path.endsWith(".jsonl")) return "the history of cleanup before it is not shown";
  if (path.endsWith("/index")) return "this start read every session file";
  return "what it recorded is forgotten";
}
