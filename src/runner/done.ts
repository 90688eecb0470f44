/** Tells what has become of the files that are done, and which of them have changed since. Pure. */
import { hasFailed, resultOf } from "../session/failed-file.ts";
import type { Difference } from "./differences.ts";
import type { KnownFiles } from "./selection.ts";

/** In words, how a file has changed since its command ran; empty if it has not, or is gone. */
export function changesOf({ content, otherCommand, otherDepends }: Difference): string[] {
  // A file that is gone could only fail.
  if (content.kind === "gone") return [];
  return [
    ...(content.kind === "changed" ? [`changed: ${content.what}`] : []),
    ...(otherCommand ? ["done by another command"] : []),
    ...(otherDepends ? ["done before a change of the --depends files"] : []),
  ];
}

/** The files that succeeded and have changed since. A file may have changed in several ways. */
export interface ChangedSince {
  readonly content: readonly string[];
  readonly command: readonly string[];
  readonly depends: readonly string[];
  /** Number of all files that succeeded. */
  readonly done: number;
}

/** A file that failed has not been done, so it cannot have changed since. */
export function changedSince(
  { processed, pending, results }: KnownFiles,
  differences: ReadonlyMap<string, Difference>,
): ChangedSince {
  const waiting = new Set(pending);
  const isDone = (file: string) => !waiting.has(file) && !hasFailed(resultOf(results, file));
  const content: string[] = [];
  const command: string[] = [];
  const depends: string[] = [];
  for (const [file, difference] of differences) {
    if (difference.content.kind === "gone" || !isDone(file)) continue;
    if (difference.content.kind === "changed") content.push(file);
    if (difference.otherCommand) command.push(file);
    if (difference.otherDepends) depends.push(file);
  }
  return { content, command, depends, done: processed.filter(isDone).length };
}
