/**
 * What the schemas of a report accept, at a tenth of their cost: reports come by the ten thousand. What is refused here is for
 * the schema to refuse, with the reason. A test holds the one to the other.
 */
import { isJsonObject } from "../json/exact-json.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { ProgressMessage } from "./channel.ts";

export function isProgressDelta(value: unknown): value is ProgressDelta {
  if (!isJsonObject(value)) return false;
  for (const key of Object.keys(value)) if (!isGoodIn(key, value[key])) return false;
  return true;
}

/** As a worker sends it. */
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
      return value === undefined || isFileList(value);
    case "results":
      return value === undefined || isJsonObject(value);
    default:
      return false;
  }
}

function isFileList(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false;
  // By index, so that holes are found.
  for (let at = 0; at < value.length; at++) if (typeof value[at] !== "string") return false;
  return true;
}
