/** What a search did not take although a pattern asks for it, and why. */
import { getSystemErrorMap } from "node:util";

/** A place where files may be missing, because nobody could look there. */
export type Unseen = "unreadable" | "name" | "loop" | "vanished";
/** A place where no file is missing. */
export type NoFile = "directory" | "linked-directory" | "dead-link" | "special" | "no-match";

export interface Skipped {
  /** As far as it can be shown: bytes that are not UTF-8 are written `\xff`. */
  readonly name: string;
  readonly why: Unseen | NoFile;
  /** Such as "permission denied" or "socket"; may be empty. */
  readonly detail: string;
}

const unseen: ReadonlySet<string> = new Set<Unseen>(["unreadable", "name", "loop", "vanished"]);

/** Whether files may be missing because of it. */
export function isUnseen({ why }: Skipped): boolean {
  return unseen.has(why);
}

/** What an error of the file system means for the place of that name. */
export function skippedBy(error: unknown, name: string): Skipped {
  const { code, errno = 0, message } = error as NodeJS.ErrnoException;
  if (isGone(error)) return { name, why: "vanished", detail: "" };
  const detail = getSystemErrorMap().get(errno)?.[1] ?? message;
  return { name, why: code === "ELOOP" ? "loop" : "unreadable", detail };
}

/** Whether the error says that there is nothing of that name. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}
