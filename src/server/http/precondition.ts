/** Conditional requests. An entity tag is the revision of a session in quotes. */
import { SessiondError } from "../../error.ts";

/** A revision, or `*` for any. */
export type IfMatch = number | "*";

export function entityTag(revision: number): string {
  return `"${revision}"`;
}

/** @throws SessiondError `invalid_request` for anything but one revision in quotes, or `*` */
export function parseIfMatch(header: string | undefined): IfMatch | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return "*";
  const revision = /^\s*"(\d{1,15})"\s*$/.exec(header)?.[1];
  if (revision !== undefined) return Number(revision);
  throw new SessiondError("invalid_request", `If-Match must be a revision in quotes such as "5", or *`);
}

/**
 * Whether a change may only create a session.
 *
 * @throws SessiondError `invalid_request` for anything but `*`
 */
export function onlyIfAbsent(ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  throw new SessiondError(
    "invalid_request",
    "If-None-Match must be * here, which means: create, never replace",
  );
}

/** Whether If-None-Match says that the client already has this revision. */
export function matchesNone(header: string | undefined, revision: number): boolean {
  if (header === undefined) return false;
  const tags = header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(entityTag(revision));
}
