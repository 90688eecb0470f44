/**
 * What the patterns of a session could not look at, as its `run` remembers it until a later run has looked
 * there. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue, memberOf } from "../json/exact-json.ts";

/** For each pattern, what could not be looked at and why, in words. */
export type Unseen = ReadonlyMap<string, string>;

const maxPatterns = 100;
const namedPatterns = 3;

/** What is left to look at, as the key `run` says. What it says that is not readable is ignored. */
export function unseenIn(run: JsonValue | undefined): Map<string, string> {
  const unseen = memberOf(run, "unseen");
  const entries = isJsonObject(unseen) ? Object.entries(unseen) : [];
  return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** What to remember in `run.unseen`; null if nothing is left to look at. Keeps the first 100 patterns. */
export function unseenValue(unseen: Unseen): JsonObject | null {
  if (unseen.size === 0) return null;
  return Object.fromEntries([...unseen].slice(0, maxPatterns));
}

/** Why files may be missing; undefined if nothing is left to look at. */
export function unseenReason(unseen: Unseen): string | undefined {
  if (unseen.size === 0) return undefined;
  const places = [...new Set(unseen.values())];
  const named = places.slice(0, namedPatterns).join("; ");
  const more = places.length - namedPatterns;
  return `files may be missing: ${named}${more > 0 ? `; and ${more} more` : ""}`;
}
