/** Decides which files of a session run, which do not, and why. Pure. */
import type { JsonObject } from "../json/exact-json.ts";
import { failureOf, hasFailed, resultOf } from "../session/failed-file.ts";
import type { Difference } from "./differences.ts";
import { changesOf } from "./done.ts";

export interface KnownFiles {
  readonly processed: readonly string[];
  readonly pending: readonly string[];
  readonly results: JsonObject;
}

export interface SelectionRequest {
  /** Files named for this run. */
  readonly given: readonly string[];
  readonly retryFailed: boolean;
  /** The processed files that differ from what their results came from. */
  readonly differences: ReadonlyMap<string, Difference>;
  /** Whether files that have changed run again. */
  readonly rerunChanged: boolean;
}

export interface Choice {
  readonly file: string;
  readonly action: "run" | "skip";
  /** For display. */
  readonly reason: string;
}

export interface Selection {
  /** Files that the session does not know yet; they become pending. */
  readonly added: readonly string[];
  /** Processed files that become pending again. */
  readonly again: readonly string[];
  /** The failed files that are not run again. */
  readonly failedBefore: readonly string[];
  /** All files that run, in this order. */
  readonly files: readonly string[];
  /** The decision for every file, once each. */
  choices(): Generator<Choice>;
}

export const nothingKnown: KnownFiles = { processed: [], pending: [], results: {} };

export function select(known: KnownFiles, request: SelectionRequest): Selection {
  const done = new Set(known.processed);
  const pending = new Set(known.pending);
  const added = [...new Set(request.given)].filter((file) => !done.has(file) && !pending.has(file));
  const again: string[] = [];
  const failedBefore: string[] = [];
  for (const file of known.processed) {
    // If another program put a file into both lists, it counts as pending.
    if (pending.has(file)) continue;
    if (decide(file, known.results, request).action === "run") again.push(file);
    else if (hasFailed(resultOf(known.results, file))) failedBefore.push(file);
  }
  return {
    added,
    again,
    failedBefore,
    files: [...pending, ...again, ...added],
    *choices() {
      for (const file of known.processed) if (!pending.has(file)) yield decide(file, known.results, request);
      for (const file of pending) yield { file, action: "run", reason: "pending" };
      for (const file of added) yield { file, action: "run", reason: "new" };
    },
  };
}

function decide(file: string, results: JsonObject, request: SelectionRequest): Choice {
  const { retryFailed, differences, rerunChanged } = request;
  const difference = differences.get(file);
  const changes = difference === undefined ? [] : changesOf(difference);
  const kind = difference?.content.kind ?? "unchanged";
  if (rerunChanged) {
    if (changes.length > 0) return { file, action: "run", reason: changes.join(", ") };
    if (kind === "unknown") return { file, action: "run", reason: "its result has no hash to compare" };
    if (kind === "gone") return { file, action: "skip", reason: keptReasons.gone };
  }
  const result = resultOf(results, file);
  if (hasFailed(result)) {
    const why = `failed: ${failureOf(result)}`;
    return retryFailed
      ? { file, action: "run", reason: why }
      : { file, action: "skip", reason: `${why}; --retry-failed runs it again` };
  }
  if (changes.length > 0) {
    return { file, action: "skip", reason: `${changes.join(", ")}; --rerun-if changed runs it again` };
  }
  if (kind === "unchanged" || kind === "changed")
    return { file, action: "skip", reason: "done and unchanged" };
  return { file, action: "skip", reason: keptReasons[kind] };
}

const keptReasons = {
  // It would only fail.
  gone: "the file is gone; its result is kept",
  directory: "a directory, whose content is not compared; its result is kept",
  no_file: "not a file, so that no content can be compared; its result is kept",
  unknown: "its result has no hash to compare, and is kept",
} as const;
