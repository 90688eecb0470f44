/** The result that is recorded for a file. */
import { isUtf8 } from "node:buffer";
import { isJsonObject, JsonError, type JsonObject, type JsonValue, parseJson } from "../json/exact-json.ts";
import type { Ended } from "./child.ts";
import type { Origin } from "./inputs.ts";
import { startError } from "./start-error.ts";

/** Deeper JSON stays text: sessiond allows 64 levels in a session, and a result is some levels down. */
const maxDepth = 56;

export interface FileResult extends Partial<Origin> {
  /** 0 on success; 124 after the time limit; 128 plus its number after a signal. */
  exit_code: number;
  signal?: string;
  timed_out?: true;
  /** The time limit, if the command has exceeded it. */
  timeout_ms?: number;
  /** Why the command could not be started, or that it was refused too often. */
  error?: string;
  /** Duration of the last attempt. */
  duration_ms: number;
  /** Without those that were refused. */
  attempts: number;
  /** How often the command said "not now" before, if it did. */
  deferred?: number;
  /** Parsed if it is a JSON object or array, else text. */
  stdout: JsonValue;
  stderr: string;
  /** Bytes that the command wrote, for each stream that is not recorded whole. */
  truncated?: { stdout?: number; stderr?: number };
  /** Bytes that are not UTF-8 were replaced with U+FFFD. */
  invalid_utf8?: true;
  /** What all attempts at the file have spent so far, by the key of a budget. */
  spent?: JsonObject;
  finished_time: string;
}

export interface Work {
  readonly ended: Ended;
  /** Milliseconds that one attempt may take; undefined for no limit. */
  readonly timeoutMs: number | undefined;
  readonly attempts: number;
  /** How often the command said "not now" before. */
  readonly deferred: number;
  readonly finishedMs: number;
}

export function fileResult({ ended, timeoutMs, attempts, deferred, finishedMs }: Work): FileResult {
  const { exitCode, signal, timedOut, error, durationMs, stdout, stderr } = ended;
  const result: FileResult = {
    exit_code: exitCode,
    duration_ms: Math.round(durationMs),
    attempts,
    stdout: stdout.truncated ? decode(stdout.bytes) : documentIn(decode(stdout.bytes)),
    stderr: decode(stderr.bytes),
    finished_time: new Date(finishedMs).toISOString(),
  };
  if (deferred > 0) result.deferred = deferred;
  if (signal !== undefined) result.signal = signal;
  if (timedOut) result.timed_out = true;
  if (timedOut && timeoutMs !== undefined) result.timeout_ms = timeoutMs;
  if (error !== undefined) result.error = `cannot be started: ${startError(error)}`;
  if (stdout.truncated || stderr.truncated) {
    result.truncated = {
      ...(stdout.truncated ? { stdout: stdout.total } : {}),
      ...(stderr.truncated ? { stderr: stderr.total } : {}),
    };
  }
  if (!isUtf8(stdout.bytes) || !isUtf8(stderr.bytes)) result.invalid_utf8 = true;
  return result;
}

/** The same result without its output, for output that is too large for sessiond. */
export function withoutOutput(result: FileResult, { stdout, stderr }: Ended): FileResult {
  return { ...result, stdout: "", stderr: "", truncated: { stdout: stdout.total, stderr: stderr.total } };
}

export function asJson(result: FileResult): JsonObject {
  return result as unknown as JsonObject;
}

function decode(bytes: Buffer): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Only an object or array counts as JSON output; a number or a word stays text. */
function documentIn(text: string): JsonValue {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    const value = parseJson(text, maxDepth);
    return isJsonObject(value) || Array.isArray(value) ? value : text;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return text;
  }
}
