/**
 * What a command printed, from a result, as text for a report: bounded, with its beginning and its end. Pure.
 */
import { clientMaxDepth } from "../../client/http/reply.ts";
import { isJsonObject, type JsonValue, memberOf, stringifyJson } from "../../json/exact-json.ts";

export interface Printed {
  /** Empty if there was none. */
  readonly stdout: string;
  readonly stderr: string;
  /**
   * Whether the result has no outputs of a command, as that of another tool: it is then given as `stdout`.
   */
  readonly isResult: boolean;
}

export function outputOf(result: JsonValue): Printed {
  const [stdout, stderr] = [memberOf(result, "stdout"), memberOf(result, "stderr")];
  if (stdout !== undefined || stderr !== undefined)
    return { stdout: textOf(stdout), stderr: textOf(stderr), isResult: false };
  const isEmpty = isJsonObject(result) && Object.keys(result).length === 0;
  return { stdout: isEmpty ? "" : textOf(result), stderr: "", isResult: true };
}

function textOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : stringifyJson(value, { indent: 2, maxDepth: clientMaxDepth });
}

/** The text if it has at most `most` characters, else a quarter of them from its beginning, and its end. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = edge(text, Math.floor(most / 4));
  const tail = edge(text, text.length - (most - head));
  return `${text.slice(0, head)}\n[… ${tail - head} characters are left out …]\n${text.slice(tail)}`;
}

/** The index, or the one before it, so that no surrogate pair is cut in two. */
function edge(text: string, at: number): number {
  return at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 ? at - 1 : at;
}
