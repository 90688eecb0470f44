/** Which files of a session run, which do not, and why. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";

export interface Known {
  readonly processed: readonly string[];
  readonly pending: readonly string[];
  readonly results: JsonObject;
}

export interface Wishes {
  /** Files that were named for this run. */
  readonly given: readonly string[];
  readonly retryFailed: boolean;
  /** What has changed of processed files, by file; undefined when nobody asked. */
  readonly changed: ReadonlyMap<string, string> | undefined;
}

export interface Choice {
  readonly file: string;
  readonly action: "run" | "skip";
  /** For people. */
  readonly reason: string;
}

export interface Selection {
  /** Files that become pending: named, and not known to the session. */
  readonly added: readonly string[];
  /** Processed files that become pending again. */
  readonly again: readonly string[];
  /** Files with a failing result that stay as they are. */
  readonly failedBefore: number;
  /** In the order in which they will run. */
  readonly files: readonly string[];
  /** Every file once. */
  choices(): Generator<Choice>;
}

export const nothingKnown: Known = { processed: [], pending: [], results: {} };

export function select(known: Known, wishes: Wishes): Selection {
  const done = new Set(known.processed);
  const pending = new Set(known.pending);
  const added = [...new Set(wishes.given)].filter((file) => !done.has(file) && !pending.has(file));
  const again: string[] = [];
  let failedBefore = 0;
  for (const file of known.processed) {
    // A file that another program has put into both lists is pending.
    if (pending.has(file)) continue;
    if (decide(file, known.results, wishes).action === "run") again.push(file);
    else if (hasFailed(resultOf(known.results, file))) failedBefore++;
  }
  return {
    added,
    again,
    failedBefore,
    files: [...pending, ...again, ...added],
    *choices() {
      for (const file of known.processed) if (!pending.has(file)) yield decide(file, known.results, wishes);
      for (const file of pending) yield { file, action: "run", reason: "pending" };
      for (const file of added) yield { file, action: "run", reason: "new" };
    },
  };
}

/** What was recorded of a file, which may be called `__proto__`. */
export function resultOf(results: JsonObject, file: string): JsonValue | undefined {
  return Object.hasOwn(results, file) ? results[file] : undefined;
}

/** A result of a command that failed. Results of other tools have not. */
export function hasFailed(result: JsonValue | undefined): boolean {
  return isJsonObject(result) && typeof result.exit_code === "number" && result.exit_code !== 0;
}

function decide(file: string, results: JsonObject, { retryFailed, changed }: Wishes): Choice {
  const change = changed?.get(file);
  if (change !== undefined) return { file, action: "run", reason: `changed: ${change}` };
  const result = resultOf(results, file);
  if (hasFailed(result)) {
    const exit = `failed with exit code ${(result as { exit_code: number }).exit_code}`;
    return retryFailed
      ? { file, action: "run", reason: exit }
      : { file, action: "skip", reason: `${exit}; --retry-failed runs it again` };
  }
  return { file, action: "skip", reason: changed === undefined ? "done" : "done and unchanged" };
}
