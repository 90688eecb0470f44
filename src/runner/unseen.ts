/**
 * What the patterns of a session could not look at, as a label keeps it until a later run has looked there.
 * Pure.
 */
import { isJsonObject, parseJson, stringifyJson } from "../json/exact-json.ts";

/** Label of a session whose patterns could not look everywhere. */
export const unseenLabel = "run.unseen";

/** For each pattern, what could not be looked at and why, in words. */
export type Unseen = ReadonlyMap<string, string>;

const maxPatterns = 100;
const namedPatterns = 3;

/** What is left to look at, as the labels of a session say. A label that says nothing readable is ignored. */
export function unseenIn(labels: Readonly<Record<string, string>> | undefined): Map<string, string> {
  const text = labels?.[unseenLabel];
  if (text === undefined) return new Map();
  try {
    const value = parseJson(text);
    const entries = isJsonObject(value) ? Object.entries(value) : [];
    return new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return new Map();
  }
}

/** The value of the label; null if nothing is left to look at. Keeps the first 100 patterns. */
export function unseenValue(unseen: Unseen): string | null {
  if (unseen.size === 0) return null;
  return stringifyJson(Object.fromEntries([...unseen].slice(0, maxPatterns)));
}

/** Why files may be missing; undefined if nothing is left to look at. */
export function unseenReason(unseen: Unseen): string | undefined {
  if (unseen.size === 0) return undefined;
  const places = [...new Set(unseen.values())];
  const named = places.slice(0, namedPatterns).join("; ");
  const more = places.length - namedPatterns;
  return `files may be missing: ${named}${more > 0 ? `; and ${more} more` : ""}`;
}
