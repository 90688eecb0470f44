/**
 * Tells whether a directory of sessions is a store of the user's own. Only such a store is used without being
 * asked for, and only for such a store a daemon is started on demand.
 *
 * The room personal/ owns what a store of one user is: whether a directory is one, where the socket of its
 * daemon is, what that daemon writes down for its clients, and what it says of its start. It does not know
 * what is in a session, and it starts nothing.
 */
import { lstatSync, type Stats, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { systemErrorCode } from "../error.ts";
import { shellQuote } from "../text/shell-quote.ts";

const stateDirectory = ".sessiond";
const groupWrites = 0o020;
const othersWrite = 0o002;

/** The user whose files this process makes. */
export function effectiveUser(): number {
  return process.geteuid?.() ?? -1;
}

/**
 * Says why a directory is not a store of the user's own, in words that follow its path; undefined if it is.
 * It must belong to the user, and nobody else may write in it; a symbolic link to it must be the user's too.
 *
 * A group that may write is refused even if the user is alone in it, as under the umask 002: where a
 * directory has an access control list, these bits of its mode stand for the list, which Node.js cannot read
 * (acl(5)).
 */
export function whyNotOwn(directory: string, user = effectiveUser()): string | undefined {
  const badName = whyBadName(directory);
  if (badName !== undefined) return badName;
  let stats: Stats;
  try {
    const link = lstatSync(directory);
    if (link.isSymbolicLink() && link.uid !== user) return `is a symbolic link of the user ${link.uid}`;
    stats = statSync(directory);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT") return "does not exist";
    return code === "EACCES" ? "cannot be looked at by this user" : `cannot be looked at: ${code}`;
  }
  if (!stats.isDirectory()) return "is not a directory";
  if (stats.uid !== user) return `belongs to the user ${stats.uid}, and this is the user ${user}`;
  const writers = [
    ...((stats.mode & groupWrites) === 0 ? [] : ["its group"]),
    ...((stats.mode & othersWrite) === 0 ? [] : ["everybody"]),
  ];
  if (writers.length === 0) return undefined;
  return `may be written by ${writers.join(" and ")}; to use it: chmod go-w ${shellQuote(directory)}`;
}

/**
 * Says why no store can be at a path, whatever is there, in words that follow the path; undefined if it can.
 */
export function whyBadName(directory: string): string | undefined {
  // A line of a log or of a configuration could not hold it.
  if (/\p{Cc}/u.test(directory)) return "has a control character in its path, such as a line break";
  if (basename(directory) !== stateDirectory) return undefined;
  return `holds the state of a store; the store itself is ${shellQuote(dirname(directory))}`;
}
