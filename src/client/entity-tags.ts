/**
 * The entity tags of replies: which state of a session each reply describes. A tag is opaque: only the daemon
 * that gave it knows what it names.
 */
import { SessiondError } from "../error.ts";

const tags = new WeakMap<object, string>();

export function rememberTag(reply: unknown, tag: string | string[] | undefined): void {
  if (typeof reply === "object" && reply !== null && typeof tag === "string") tags.set(reply, tag);
}

/** Says that a copy of a reply, however changed, describes the state that the reply describes. */
export function copyTag<T extends object>(reply: object, copy: T): T {
  rememberTag(copy, tags.get(reply));
  return copy;
}

/** @throws SessiondError `invalid_request` for an object that is no reply about one session */
export function tagOf(reply: object): string {
  const tag = tags.get(reply);
  if (tag !== undefined) return tag;
  throw new SessiondError(
    "invalid_request",
    "ifUnchanged must be the very object that a call about one session returned, such as getSession or " +
      "getSummary: no copy of it, no entry of a list, and no reply to a report of progress",
  );
}
