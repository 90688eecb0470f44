/**
 * What the patterns of a session could not look at, in this run and earlier ones, and what to do about it.
 */
import { unseenIn, unseenReason } from "../../runner/unseen.ts";
import type { Session } from "../../session/session.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { safe } from "../terminal-text.ts";
import type { Given } from "./sources.ts";

/** Places that the patterns of the session could not look at. */
export interface LeftToLookAt {
  /** Why files may be missing. */
  readonly reason: string;
  /** What to do about it, safe for a terminal. */
  readonly remedy: string;
}

/** For each pattern, of this run and of earlier ones, what could not be looked at. */
export function unseenOf(session: Session | undefined, given: Given | undefined): Map<string, string> {
  // Whoever has completed the session does without the rest.
  const isOpen = session?.status === "running" || session?.status === "paused";
  const unseen = isOpen ? unseenIn(session.run) : new Map<string, string>();
  for (const [pattern, places] of given?.unseen ?? []) {
    if (places === undefined) unseen.delete(pattern);
    else unseen.set(pattern, places);
  }
  // A name that could not be looked at may have been found by another pattern.
  for (const name of given?.names ?? []) unseen.delete(name);
  return unseen;
}

/** Undefined if nothing is left to look at. */
export function leftToLookAt(
  unseen: ReadonlyMap<string, string>,
  given: Given | undefined,
): LeftToLookAt | undefined {
  const reason = unseenReason(unseen);
  if (reason === undefined) return undefined;
  const others = [...unseen.keys()].filter((pattern) => !given?.unseen.has(pattern));
  const remedy =
    others.length === 0
      ? "to look again, run the same command again; to do without these places, add --exclude"
      : `to look again, add --files ${others.map((pattern) => safe(shellOperand(pattern))).join(" ")}`;
  return { reason, remedy };
}
