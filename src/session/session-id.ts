/** Session ids: which are valid, new ones, and the names that are safe for files. */
import { createHash, randomUUID } from "node:crypto";
import { SessiondError } from "../error.ts";

declare const branded: unique symbol;

/** A valid session id, checked by `parseSessionId`. */
export type SessionId = string & { readonly [branded]: "SessionId" };

export const maxSessionIdLength = 128;
const maxNameBytes = 200;
/** Needs no closer look. */
const usualId = /^[A-Za-z0-9_-]{1,128}$/;

/** Checks a session id. @throws SessiondError `invalid_session_id` */
export function parseSessionId(text: unknown): SessionId {
  const problem = sessionIdProblem(text);
  if (problem !== undefined) throw new SessiondError("invalid_session_id", problem);
  return text as SessionId;
}

/** Why a value is no valid session id; undefined if it is one. */
export function sessionIdProblem(text: unknown): string | undefined {
  if (typeof text !== "string") return "a session id must be a string";
  if (usualId.test(text)) return undefined;
  const length = [...text].length;
  if (length === 0) return "a session id must not be empty";
  if (length > maxSessionIdLength)
    return `a session id has at most ${maxSessionIdLength} characters; this one has ${length}`;
  if (/\p{Cc}/u.test(text)) return "a session id must not contain control characters";
  if (!text.isWellFormed()) return "a session id must not contain half of a surrogate pair";
  if (Buffer.byteLength(safeName(text)) > maxNameBytes) {
    return `the file name of this session id would be longer than ${maxNameBytes} bytes`;
  }
  return undefined;
}

export function generateSessionId(): SessionId {
  return randomUUID() as SessionId;
}

/**
 * A name that is safe to file a session under: the Unicode letters, digits, `-` and `_` of the id. If that
 * leaves anything out, 8 hex digits of the id's SHA-256 follow, so that no two ids share a name and no name
 * leads anywhere else.
 */
export function safeName(id: string): string {
  const kept = keptInNames(id);
  return kept === id ? id : uniqueName(id, kept);
}

/** What of an id the name of a file may hold. Two ids may have this in common. */
export function keptInNames(id: string): string {
  return id.replace(/[^\p{L}\p{N}_-]/gu, "");
}

/**
 * As `safeName`, with the digest in any case: for an id whose safe name belongs to another session already.
 */
export function uniqueName(id: string, kept: string = keptInNames(id)): string {
  return `${kept}-${createHash("sha256").update(id).digest("hex").slice(0, 8)}`;
}
