/** Compares what the results of processed files came from with what a run would begin with now. */
import { resolve } from "node:path";
import { yieldIfDue } from "../async/slices.ts";
import { isJsonObject, type JsonValue } from "../json/exact-json.ts";
import { hasFailed, resultOf } from "../session/failed-file.ts";
import { type Comparison, compare } from "./fingerprint.ts";
import type { KnownFiles } from "./selection.ts";

/** What a run would begin with, besides the content of the files. */
export interface Basis {
  readonly commandHash: string;
  /** Undefined if the command depends on no other files. */
  readonly dependsHash: string | undefined;
}

/** How a processed file differs from what its result came from. */
export interface Difference {
  readonly content: Comparison;
  readonly otherCommand: boolean;
  readonly otherDepends: boolean;
}

/**
 * The processed files that differ in any way, in the order in which they were processed. Of files that failed
 * this matters only if those that have changed run again. Works in slices.
 */
export async function differences(
  { processed, pending, results }: KnownFiles,
  cwd: string,
  basis: Basis,
  { rerunChanged }: { rerunChanged: boolean },
): Promise<Map<string, Difference>> {
  const found = new Map<string, Difference>();
  const waiting = new Set(pending);
  for (const file of processed) {
    const result = resultOf(results, file);
    if (waiting.has(file) || (hasFailed(result) && !rerunChanged)) continue;
    const difference = await differenceOf(resolve(cwd, file), result, basis);
    if (difference !== undefined) found.set(file, difference);
    await yieldIfDue();
  }
  return found;
}

async function differenceOf(
  path: string,
  result: JsonValue | undefined,
  { commandHash, dependsHash }: Basis,
): Promise<Difference | undefined> {
  const { fingerprint, fingerprint_after, command_hash, depends_hash } = isJsonObject(result) ? result : {};
  const content = await compare(path, fingerprint, fingerprint_after);
  // Without a recorded command, nobody knows on which files it depended either.
  const isRecorded = typeof command_hash === "string";
  const otherCommand = isRecorded && command_hash !== commandHash;
  const otherDepends = isRecorded && depends_hash !== dependsHash;
  if (content.kind === "unchanged" && !otherCommand && !otherDepends) return undefined;
  return { content, otherCommand, otherDepends };
}
