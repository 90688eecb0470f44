/** Says of which processed files a run could not tell whether they have changed. */
import type { Difference } from "../../runner/differences.ts";
import type { Comparison } from "../../runner/fingerprint.ts";
import { someNames } from "./skipped-lines.ts";

type Wording = readonly [one: string, many: string];

const sentences: Readonly<Partial<Record<Comparison["kind"], Wording>>> = {
  gone: ["1 file is gone, and its result is kept", "files are gone, and their results are kept"],
  directory: [
    "1 item is a directory, whose content is not compared",
    "items are directories, whose content is not compared",
  ],
  no_file: [
    "1 item is not a file, so that no content can be compared",
    "items are not files, so that no content can be compared",
  ],
  unknown: [
    "1 file may have changed, because its result has no hash to compare",
    "files may have changed, because their results have no hash to compare",
  ],
};
const unknownRuns: Wording = [
  "1 file runs again, because its result has no hash to compare",
  "files run again, because their results have no hash to compare",
];

/** One line for each kind, with the first files. */
export function comparedLines(
  differences: ReadonlyMap<string, Difference>,
  { rerunChanged }: { rerunChanged: boolean },
): string[] {
  const wordings = rerunChanged ? { ...sentences, unknown: unknownRuns } : sentences;
  return Object.entries(wordings).flatMap(([kind, [one, many]]) => {
    const files = Array.from(differences).flatMap(([file, { content }]) =>
      content.kind === kind ? [file] : [],
    );
    if (files.length === 0) return [];
    return [`${files.length === 1 ? one : `${files.length} ${many}`}: ${someNames(files)}`];
  });
}
