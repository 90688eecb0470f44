/** Says of which processed files a run could not tell whether they have changed. */
import type { Comparison } from "../../runner/fingerprint.ts";
import { safe } from "../terminal-text.ts";

/** The most files of one kind that are named. */
const named = 3;

const sentences: Readonly<Partial<Record<Comparison["kind"], readonly [one: string, many: string]>>> = {
  gone: ["1 file is gone, and its result is kept", "files are gone, and their results are kept"],
  directory: [
    "1 item is a directory, whose content is not compared",
    "items are directories, whose content is not compared",
  ],
  no_file: [
    "1 item is not a file, so that nothing can be compared",
    "items are not files, so that nothing can be compared",
  ],
  unknown: [
    "1 file runs again, because its result has no hash to compare",
    "files run again, because their results have no hash to compare",
  ],
};

/** One line for each kind, with the first files. */
export function comparedLines(compared: ReadonlyMap<string, Comparison>): string[] {
  return Object.entries(sentences).flatMap(([kind, [one, many]]) => {
    const files = Array.from(compared).flatMap(([file, { kind: of }]) => (of === kind ? [safe(file)] : []));
    if (files.length === 0) return [];
    const more = files.length - named;
    const rest = more > 0 ? ` and ${more} more (to see all: --dry-run --explain)` : "";
    const sentence = files.length === 1 ? one : `${files.length} ${many}`;
    return [`${sentence}: ${files.slice(0, named).join(", ")}${rest}`];
  });
}
