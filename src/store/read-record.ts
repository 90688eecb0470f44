/** Reads a small document of the daemon's own, and the cursor of its logs, for every backend. Pure. */
import type { z } from "zod";

import { issuesOf, wording } from "../contract/wording.ts";
import { SessiondError } from "../error.ts";
import { JsonError, type JsonValue, parsePlainJson } from "../json/exact-json.ts";

export type RecordRead<T> = { value: T; why?: undefined } | { why: string };

/** Says in words what is wrong with a record, and where. */
export function readRecord<T>(text: string, schema: z.ZodType<T> | undefined): RecordRead<T> {
  let value: JsonValue;
  try {
    value = parsePlainJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { why: error.message };
  }
  if (schema === undefined) return { value: value as T };
  const checked = schema.safeParse(value, { error: wording });
  if (checked.success) return { value: checked.data };
  return {
    why: issuesOf(checked.error)
      .map(({ path, message }) => `${path} ${message}`.trim())
      .join("; "),
  };
}

/** The error for a cursor that no page of a log gave out. */
export function foreignCursor(): SessiondError {
  return new SessiondError("invalid_request", "the cursor does not belong to this log", {
    issues: [{ path: "cursor", message: "must be the next_cursor of a page" }],
  });
}
