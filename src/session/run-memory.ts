/**
 * What a session remembers of the command that `sessionctl run` runs for its files: the key `run` of the
 * document. It may hold anything in a document of another program, so `runProblems` says what is wrong with
 * it. Pure.
 */
import type { Issue } from "../error.ts";
import {
  isJsonObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  stringifyJson,
} from "../json/exact-json.ts";

/** A command line of the system has at most 2 MiB, and most have a few hundred bytes. */
export const maxRunLength = 1024 * 1024;

/**
 * What a run remembers: its command, its directory, and the options that shape its work. Keys of your own are
 * kept.
 */
export interface SessionRun {
  /** The words of the command, of which the first is not empty. */
  command?: readonly string[] | undefined;
  /** Where the command runs: an absolute path. */
  directory?: string | undefined;
  [key: string]: JsonValue | undefined;
}

/** A stored document has at most this many levels. */
const deepest = 500;
const nothing: JsonObject = {};

/** Keys to set; null removes a key. Null instead of an object removes all of them. */
export type RunChanges = { readonly [key: string]: JsonValue | undefined } | null;

/** The value of the key `run` after changes; undefined if nothing is left. */
export function changeRun(before: JsonValue | undefined, changes: RunChanges): JsonObject | undefined {
  if (changes === null) return undefined;
  const kept = isJsonObject(before) ? before : {};
  const entries = Object.entries({ ...kept, ...changes }).filter(
    (entry): entry is [string, JsonValue] =>
      entry[1] !== undefined && !(entry[1] === null && Object.hasOwn(changes, entry[0])),
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/**
 * What is wrong with the value of the key `run`; empty if nothing is. The options are for the runner to read.
 */
export function runProblems(run: JsonValue): Issue[] {
  if (!isJsonObject(run)) return [{ path: "run", message: "must be an object" }];
  const issues: Issue[] = [];
  const { command, directory } = { ...nothing, ...run };
  if (command !== undefined && !isCommand(command)) {
    const message = "must be an array of at least one string, without NUL, of which the first is not empty";
    issues.push({ path: "run.command", message });
  }
  if (directory !== undefined && !isDirectory(directory)) {
    issues.push({ path: "run.directory", message: "must be an absolute path" });
  }
  const length = lengthOf(run);
  if (length !== undefined && length > maxRunLength) {
    const message = `has at most ${maxRunLength} characters as JSON; this one has ${length}`;
    issues.push({ path: "run", message });
  }
  return issues;
}

export function isCommand(value: JsonValue | undefined): value is readonly [string, ...string[]] {
  if (!Array.isArray(value) || value.length === 0 || value[0] === "") return false;
  return value.every((word) => typeof word === "string" && !word.includes("\0"));
}

export function isDirectory(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value.startsWith("/") && !value.includes("\0");
}

/** Characters as JSON. Undefined for what cannot be written as JSON. */
function lengthOf(run: JsonObject): number | undefined {
  try {
    return stringifyJson(run, { maxDepth: deepest }).length;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return undefined;
  }
}
