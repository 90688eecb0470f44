/** What is recorded of a file. */
import { isUtf8 } from "node:buffer";
import { isJsonObject, JsonError, type JsonObject, type JsonValue, parseJson } from "../json/exact-json.ts";
import type { Ended } from "./child.ts";
import type { Fingerprint } from "./fingerprint.ts";

/** Deeper values stay text: a session holds them some levels down, and sessiond takes 64 in all. */
const maxDepth = 56;

export interface FileResult {
  /** Not 0 if it failed; 124 after the time limit, 128 and the signal's number after a signal. */
  exit_code: number;
  signal?: string;
  timed_out?: true;
  /** Why the command could not be started. */
  error?: string;
  /** Of the last attempt. */
  duration_ms: number;
  attempts: number;
  /** A JSON object or array as that value, anything else as text. */
  stdout: JsonValue;
  stderr: string;
  /** The bytes that there were, of streams that are not kept whole. */
  truncated?: { stdout?: number; stderr?: number };
  /** Bytes that are no UTF-8 have become U+FFFD. */
  invalid_utf8?: true;
  finished_time: string;
  /** Of the file before the command ran. */
  fingerprint?: Fingerprint;
}

export interface Work {
  readonly ended: Ended;
  readonly attempts: number;
  readonly finishedMs: number;
  readonly fingerprint: Fingerprint | undefined;
}

export function fileResult({ ended, attempts, finishedMs, fingerprint }: Work): FileResult {
  const { exitCode, signal, timedOut, error, durationMs, stdout, stderr } = ended;
  const result: FileResult = {
    exit_code: exitCode,
    duration_ms: Math.round(durationMs),
    attempts,
    stdout: stdout.truncated ? decode(stdout.bytes) : documentIn(decode(stdout.bytes)),
    stderr: decode(stderr.bytes),
    finished_time: new Date(finishedMs).toISOString(),
  };
  if (signal !== undefined) result.signal = signal;
  if (timedOut) result.timed_out = true;
  if (error !== undefined) result.error = error;
  if (stdout.truncated || stderr.truncated) {
    result.truncated = {
      ...(stdout.truncated ? { stdout: stdout.total } : {}),
      ...(stderr.truncated ? { stderr: stderr.total } : {}),
    };
  }
  if (!isUtf8(stdout.bytes) || !isUtf8(stderr.bytes)) result.invalid_utf8 = true;
  if (fingerprint !== undefined) result.fingerprint = fingerprint;
  return result;
}

/** The same without its output, where that is more than sessiond takes. */
export function withoutOutput(result: FileResult, { stdout, stderr }: Ended): FileResult {
  return { ...result, stdout: "", stderr: "", truncated: { stdout: stdout.total, stderr: stderr.total } };
}

export function asJson(result: FileResult): JsonObject {
  return result as unknown as JsonObject;
}

function decode(bytes: Buffer): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** A number or a word alone is no document. */
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
