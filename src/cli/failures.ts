/** Names failed files for people, with the reasons: the first ones, and how to see all. */
import type { JsonObject } from "../json/exact-json.ts";
import { failureOf, hasFailed, resultOf } from "../session/failed-file.ts";
import { counted } from "./count.ts";
import { sessionCommand } from "./session-command.ts";
import { safe, truncate } from "./terminal-text.ts";

/** The most failed files that are named. */
export const namedFailures = 10;
/** A reason is cut here, in columns. */
const reasonWidth = 200;

export interface Failure {
  readonly file: string;
  /** As `failureOf` gives it, not yet safe for a terminal. */
  readonly reason: string;
}

/** The first failures among these files. */
export function failuresAmong(files: Iterable<string>, results: JsonObject): Failure[] {
  const found: Failure[] = [];
  for (const file of files) {
    if (found.length === namedFailures) break;
    const result = resultOf(results, file);
    if (hasFailed(result)) found.push({ file, reason: failureOf(result) });
  }
  return found;
}

/** A line for each failure, and one that tells of the others if there are any. */
export function failureLines(id: string, failures: readonly Failure[], total: number): string[] {
  const lines = failures.map(({ file, reason }) => `  ${safe(file)}: ${truncate(safe(reason), reasonWidth)}`);
  const more = total - failures.length;
  if (more > 0) {
    lines.push(`  and ${counted(more, "other")}; for all: ${resultsCommand(id, "--format", "table")}`);
  }
  return lines;
}

/** The command that prints the results of the failed files. */
export function resultsCommand(id: string, ...options: string[]): string {
  return sessionCommand("results", id, ["--failed", ...options]);
}
