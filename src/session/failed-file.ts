/** Which files of a session have failed, by their results, and why, in words. */
import { eachInSlices } from "../async/slices.ts";
import { isJsonObject, type JsonObject, type JsonValue, memberOf } from "../json/exact-json.ts";
import { isNumber } from "../json/exact-number.ts";
import { formatDuration } from "../time/duration.ts";
import type { Session } from "./session.ts";

/** The recorded result of a file, which may be named `__proto__`. */
export function resultOf(results: JsonObject, file: string): JsonValue | undefined {
  return memberOf(results, file);
}

/**
 * Whether the result says that the work on its file failed: an object with an `exit_code` other than 0, or,
 * without an exit code, with an `error` that is a text. Any other result is that of a file that succeeded.
 */
export function hasFailed(result: JsonValue | undefined): result is JsonObject {
  if (!isJsonObject(result)) return false;
  const exitCode = numberAt(result, "exit_code");
  return exitCode === undefined ? textAt(result, "error") !== undefined : exitCode !== 0;
}

/**
 * The failed files, each once, in the order in which they were processed. A file that is pending again has
 * not failed. Works in slices.
 */
export async function failedFiles(session: Session): Promise<string[]> {
  const { processed_files, pending_files, partial_results } = session;
  const failed = new Set<string>();
  await eachInSlices(processed_files, (file) => {
    if (hasFailed(resultOf(partial_results, file))) failed.add(file);
  });
  if (failed.size > 0) await eachInSlices(pending_files, (file) => failed.delete(file));
  return [...failed];
}

/**
 * Why a file failed, by its result: `timed out after 5 s`, `killed by SIGKILL`, `exit status 2: …` with the
 * last line of stderr that is no stack trace. The text may contain control characters.
 */
export function failureOf(result: JsonObject): string {
  const error = textAt(result, "error");
  if (error !== undefined) return lastLine(error);
  const said = lastLine(textAt(result, "stderr") ?? "");
  return said === "" ? endOf(result) : `${endOf(result)}: ${said}`;
}

function endOf(result: JsonObject): string {
  if (result.timed_out === true) return `timed out${timeLimit(result)}`;
  const signal = textAt(result, "signal");
  return signal === undefined ? `exit status ${String(result.exit_code)}` : `killed by ${signal}`;
}

function timeLimit(result: JsonObject): string {
  const limit = numberAt(result, "timeout_ms");
  return limit !== undefined && Number.isSafeInteger(limit) && limit > 0 ? ` after ${spaced(limit)}` : "";
}

/** `5 s`, as in a sentence. */
function spaced(ms: number): string {
  return formatDuration(ms).replace(/[a-z]+$/, " $&");
}

/** The last line that says something: what Node.js prints after an error, its stack and version, does not. */
function lastLine(text: string): string {
  const lines = text
    .trimEnd()
    .slice(-8000)
    .split(/[\r\n]/)
    .map((line) => line.trim());
  const telling = lines.filter((line) => line !== "" && !/^at .|^Node\.js v\d/.test(line));
  return (telling.at(-1) ?? lines.at(-1) ?? "").slice(-1000);
}

function numberAt(result: JsonObject, key: string): number | undefined {
  const value = memberOf(result, key);
  return isNumber(value) ? Number(value) : undefined;
}

function textAt(result: JsonObject, key: string): string | undefined {
  const value = memberOf(result, key);
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}
