/** Compares the processed files of a session with what they were when their results were recorded. */
import { resolve } from "node:path";
import { yieldIfDue } from "../async/slices.ts";
import { isJsonObject } from "../json/exact-json.ts";
import { resultOf } from "../session/failed-file.ts";
import { type Comparison, compare } from "./fingerprint.ts";
import type { KnownFiles } from "./selection.ts";

/** The files that are not unchanged, in the order in which they were processed. Works in slices. */
export async function comparisons(
  { processed, results }: KnownFiles,
  cwd: string,
): Promise<Map<string, Comparison>> {
  const found = new Map<string, Comparison>();
  for (const file of processed) {
    const result = resultOf(results, file);
    const comparison = await compare(
      resolve(cwd, file),
      isJsonObject(result) ? result.fingerprint : undefined,
    );
    if (comparison.kind !== "unchanged") found.set(file, comparison);
    await yieldIfDue();
  }
  return found;
}
