/** The records of a memory store: JSON text, so that nothing is shared with whoever kept it. */
import type { z } from "zod";
import { SessiondError } from "../../../src/error.ts";
import { type JsonValue, parsePlainJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Records } from "../../../src/store/session-store.ts";
import type { Faults } from "./faults.ts";
import type { Memory } from "./memory.ts";

/** A log keeps this many entries. */
const maxEntries = 100_000;

export function memoryRecords(
  { documents, logs }: Memory,
  faults: Faults,
  assertWritable: () => void,
): Records {
  function read<T>(name: string, schema?: z.ZodType<T>): T | undefined {
    const text = documents.get(name);
    const value = text === undefined ? undefined : (parsePlainJson(text) as T);
    if (value === undefined || schema === undefined) return value;
    const checked = schema.safeParse(value);
    if (!checked.success) documents.delete(name);
    return checked.data;
  }

  return {
    load: (name, schema) => faults.around("records.load", name, () => read(name, schema)),
    async update(name, schema, change) {
      assertWritable();
      return faults.around("records.replace", name, () => {
        const value = change(read(name, schema));
        documents.set(name, stringifyJson(value));
        return value;
      });
    },
    async replace(name, value) {
      assertWritable();
      const text = stringifyJson(value);
      await faults.around("records.replace", name, () => documents.set(name, text));
    },
    async append(name, entries) {
      assertWritable();
      const lines = entries.map((entry) => stringifyJson(entry));
      await faults.around("records.append", name, () =>
        logs.set(name, [...(logs.get(name) ?? []), ...lines].slice(-maxEntries)),
      );
    },
    tail: (name, limit, cursor) =>
      faults.around("records.tail", name, () => tail(logs.get(name) ?? [], limit, cursor)),
  };
}

function tail(lines: readonly string[], limit: number, cursor: string | undefined) {
  const end = cursor === undefined ? lines.length : Number(cursor);
  if (!Number.isInteger(end)) {
    throw new SessiondError("invalid_request", "the cursor does not belong to this log", {
      issues: [{ path: "cursor", message: "must be the next_cursor of a page" }],
    });
  }
  const start = Math.max(0, end - limit);
  const entries: JsonValue[] = lines.slice(start, end).map((line) => parsePlainJson(line));
  return { entries: entries.reverse(), cursor: start === 0 ? null : String(start) };
}
