/**
 * One session in memory. A report costs what the report holds: the document is put together when somebody
 * asks for it.
 */
import { type JsonObject, type JsonValue, putMember } from "../../../src/json/exact-json.ts";
import type { ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import { FileLists } from "../../../src/session/working/file-lists.ts";

export class KeptSession {
  /** Without the reports since. */
  #session: Session;
  #lists: FileLists | undefined;
  /** Of the reports since. */
  #results: JsonObject[] = [];
  #last: { revision: number; checkpoint_time: string } | undefined;

  /** The session has a revision. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** As it is now. It is never changed in place. */
  get session(): Session {
    if (this.#last !== undefined) {
      this.#session = {
        ...this.#session,
        ...this.#last,
        processed_files: this.files.processed(),
        pending_files: this.files.pending(),
        partial_results: merged(this.#session.partial_results, this.#results),
      };
      this.#results = [];
      this.#last = undefined;
    }
    return this.#session;
  }

  get files(): FileLists {
    this.#lists ??= new FileLists(this.#session.processed_files, this.#session.pending_files);
    return this.#lists;
  }

  get revision(): number {
    return this.#last?.revision ?? this.#session.revision ?? 1;
  }

  /** What a report is answered with. */
  report({ processed = [], added = [], results }: ProgressDelta, checkpoint_time: string) {
    const { files } = this;
    for (const file of processed) files.finish(file);
    for (const file of added) files.add(file);
    if (results !== undefined) this.#results.push(results);
    const revision = this.revision + 1;
    this.#last = { revision, checkpoint_time };
    const { processedCount: processed_count, pendingCount: pending_count } = files;
    return { status: this.#session.status, revision, processed_count, pending_count };
  }
}

function merged(results: JsonObject, changes: readonly JsonObject[]): JsonObject {
  const all: Record<string, JsonValue> = { ...results };
  for (const change of changes)
    for (const key of Object.keys(change)) putMember(all, key, change[key] as JsonValue);
  return all;
}
