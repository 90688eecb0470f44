import { createHash, randomUUID } from "node:crypto";
import { SessiondError } from "../error.ts";

declare const branded: unique symbol;

/** A session id that has been checked: safe to name a session with, on every backend. */
export type SessionId = string & { readonly [branded]: "SessionId" };

export const maxSessionIdLength = 128;
const maxNameBytes = 200;

/** @throws SessiondError `invalid_session_id` */
export function parseSessionId(text: unknown): SessionId {
  const problem = sessionIdProblem(text);
  if (problem !== undefined) throw new SessiondError("invalid_session_id", problem);
  return text as SessionId;
}

/** Why a value cannot be a session id, or undefined when it can. */
export function sessionIdProblem(text: unknown): string | undefined {
  if (typeof text !== "string") return "a session id must be a string";
  const length = [...text].length;
  if (length === 0) return "a session id must not be empty";
  if (length > maxSessionIdLength)
    return `a session id has at most ${maxSessionIdLength} characters; this one has ${length}`;
  if (/\p{Cc}/u.test(text)) return "a session id must not contain control characters";
  if (!text.isWellFormed()) return "a session id must not contain half of a surrogate pair";
  if (Buffer.byteLength(safeName(text)) > maxNameBytes) {
    return `the name that stands for this session id is longer than ${maxNameBytes} bytes`;
  }
  return undefined;
}

export function generateSessionId(): SessionId {
  return randomUUID() as SessionId;
}

/**
 * The name under which a session is filed: the id without anything but Unicode letters, digits, `-`
 * and `_`; where that took something away, part of the id's SHA-256 follows, so that no two ids share a name
 * and no id leads out of a directory.
 */
export function safeName(id: string): string {
  const kept = id.replace(/[^\p{L}\p{N}_-]/gu, "");
  return kept === id ? id : uniqueName(id, kept);
}

/** The name with the digest always appended: for an id whose plain name already belongs to another. */
export function uniqueName(id: string, kept: string = id.replace(/[^\p{L}\p{N}_-]/gu, "")): string {
  return `${kept}-${createHash("sha256").update(id).digest("hex").slice(0, 8)}`;
}
