/**
 * Fast checks of a report, at a tenth of the cost of its schemas. They accept what the schemas accept; a test
 * compares the two. If a check fails, the schema gives the reason.
 */
import { isJsonObject } from "../json/exact-json.ts";
import type { ProgressDelta } from "../session/command.ts";
import { isStringList } from "../session/session-check.ts";
import type { ProgressMessage } from "./channel.ts";

export function isProgressDelta(value: unknown): value is ProgressDelta {
  if (!isJsonObject(value)) return false;
  for (const key of Object.keys(value)) if (!isGoodIn(key, value[key])) return false;
  return true;
}

/** The same check for a message of the worker channel. */
export function isProgressMessage(value: unknown): value is ProgressMessage {
  if (!isJsonObject(value) || value.type !== "progress") return false;
  if (!Number.isSafeInteger(value.seq) || (value.seq as number) < 1) return false;
  for (const key of Object.keys(value)) {
    if (key !== "type" && key !== "seq" && !isGoodIn(key, value[key])) return false;
  }
  return true;
}

function isGoodIn(key: string, value: unknown): boolean {
  switch (key) {
    case "processed":
    case "added":
      return value === undefined || isStringList(value);
    case "results":
      return value === undefined || isJsonObject(value);
    default:
      return false;
  }
}
