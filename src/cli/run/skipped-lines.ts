/** Says in words what a search for files skipped, and why. */
import type { Skipped } from "../../find/skipped.ts";
import { safe, truncate } from "../terminal-text.ts";

/** Names in a message before the others are only counted. */
const named = 3;
const nameWidth = 200;

/** The first three names, and how many others there are. */
export function someNames(names: readonly string[], showAll = " (to see all: --dry-run --explain)"): string {
  const first = names.slice(0, named).map((name) => truncate(safe(name), nameWidth));
  const others = names.length - named;
  if (others <= 0) return first.join(", ");
  return `${first.join(", ")} and ${others} more${showAll}`;
}

/** Why one name is skipped. */
export function reasonOf({ why, detail }: Skipped): string {
  const more = detail === "" ? "" : `: ${detail}`;
  switch (why) {
    case "unreadable":
      return `cannot be read${more}`;
    case "loop":
      return `a loop${more}`;
    case "vanished":
      return "vanished during the search";
    case "name":
      return "its name is not UTF-8";
    case "directory":
      return "a directory; to match the files in it, add /**";
    case "linked-directory":
      return "a link to a directory; to enter it, add --follow";
    case "dead-link":
      return "a link to nothing";
    case "special":
      return detail;
    case "no-match":
      return "no file matches";
  }
}

/** A name with the reason, in brief. */
export function withReason(skipped: Skipped): string {
  const { name, why, detail } = skipped;
  return `${name} (${why === "unreadable" ? detail : reasonOf(skipped)})`;
}

interface Wording {
  readonly whys: readonly Skipped["why"][];
  readonly one: string;
  readonly several: string;
  /** Whether each name is followed by its reason. */
  readonly reasons: boolean;
}

const wordings: readonly Wording[] = [
  {
    whys: ["unreadable", "loop", "vanished"],
    one: "1 place could not be looked at: $names",
    several: "$count places could not be looked at: $names",
    reasons: true,
  },
  {
    whys: ["name"],
    one: "1 file is left out, because its name is not UTF-8: $names",
    several: "$count files are left out, because their names are not UTF-8: $names",
    reasons: false,
  },
  {
    whys: ["linked-directory"],
    one: "1 link to a directory is not entered (to enter it, add --follow): $names",
    several: "$count links to directories are not entered (to enter them, add --follow): $names",
    reasons: false,
  },
  {
    whys: ["dead-link"],
    one: "1 link leads to nothing: $names",
    several: "$count links lead to nothing: $names",
    reasons: false,
  },
  {
    whys: ["special"],
    one: "1 name is skipped, because it is not that of a file: $names",
    several: "$count names are skipped, because they are not those of files: $names",
    reasons: true,
  },
  {
    whys: ["directory"],
    one: "$names: this is a directory; to match the files in it, add /**",
    several: "$names: these are directories; to match the files in them, add /**",
    reasons: false,
  },
];
const noMatch = "$names: no file matches";
const noOther = "$names: no file matches that is not excluded";

/** One line for each kind of reason, with a count and the first three names. */
export function skippedLines(skipped: readonly Skipped[]): string[] {
  const isExcluding = skipped.some(({ detail }) => detail === "excluded");
  const missing = isExcluding ? noOther : noMatch;
  const last: Wording = { whys: ["no-match"], one: missing, several: missing, reasons: false };
  return [...wordings, last].flatMap(({ whys, one, several, reasons }) => {
    const some = skipped.filter(({ why }) => whys.includes(why));
    if (some.length === 0) return [];
    const names = someNames(some.map((each) => (reasons ? withReason(each) : each.name)));
    const line = some.length === 1 ? one : several;
    return [line.replace("$count", String(some.length)).replace("$names", () => names)];
  });
}
