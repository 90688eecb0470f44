/**
 * Keys of results: what `--where 'issues > 3'` or `--budget usage.tokens=1000000` names in the result of a
 * file, and the value that is there. Pure.
 */
import { type JsonValue, memberOf } from "../json/exact-json.ts";

export interface ResultKey {
  /** As it was written. */
  readonly text: string;
  /** The keys and indexes from the outermost value to the one that is meant; at least one. */
  readonly path: readonly string[];
}

/** Thrown for text that is not a key. The message is for the person who wrote it. */
export class ResultKeyError extends Error {
  /** The index of the character that is wrong. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/**
 * Reads a key: a JSON pointer (RFC 6901) such as `/usage/input~1cached` if it begins with a slash, else keys
 * with dots between them, such as `usage.tokens`. Items of lists are numbered from 0: `messages.0.text`.
 *
 * @throws ResultKeyError
 */
export function parseResultKey(text: string): ResultKey {
  if (text === "") throw new ResultKeyError("the key is empty", 0);
  return { text, path: text.startsWith("/") ? pointerPath(text) : dottedPath(text) };
}

/** In RFC 6901, `~1` stands for a slash and `~0` for a tilde. */
function pointerPath(text: string): string[] {
  const wrong = /~(?![01])/.exec(text);
  if (wrong !== null) throw new ResultKeyError("in a JSON pointer, a tilde is written ~0", wrong.index);
  return text
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function dottedPath(text: string): string[] {
  const path = text.split(".");
  const empty = path.indexOf("");
  if (empty === -1) return path;
  const at = path.slice(0, empty).join(".").length;
  throw new ResultKeyError("a key between dots is empty; a key that has dots is written as /a.b", at);
}

/**
 * The value of a key in the result of a file: first in the JSON that the command printed, which is the
 * result's `stdout` if that is an object or a list, then in the result itself. Undefined if it is in neither.
 */
export function valueAt(result: JsonValue | undefined, { path }: ResultKey): JsonValue | undefined {
  const printed = memberOf(result, "stdout");
  const found = follow(printed, path);
  return found === undefined ? follow(result, path) : found;
}

function follow(from: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let value = from;
  for (const part of path) value = partOf(value, part);
  return value;
}

function partOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  if (Array.isArray(value)) return /^(?:0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined;
  return memberOf(value, key);
}
