/**
 * A session in memory, in a form in which a report costs what the report holds and not what the session holds. It means the
 * same as `applyProgress` on the document, which a test holds it to.
 */
import { formatTimestamp, type Micros } from "../clock.ts";
import type { JsonValue } from "../json.ts";
import type { ProgressDelta } from "../session/command.ts";
import { type Session, type SessionSummary, summarize } from "../session/session.ts";
import { FileList } from "./file-list.ts";

export class LiveSession {
  /** The document, with empty lists and results in their places. */
  #frame!: Session;
  #processed!: FileList;
  #pending!: FileList;
  #results!: Map<string, JsonValue>;

  constructor(session: Session) {
    this.replace(session);
  }

  replace(session: Session): void {
    this.#frame = { ...session, processed_files: [], pending_files: [], partial_results: {} };
    this.#processed = new FileList(session.processed_files);
    this.#pending = new FileList(session.pending_files);
    this.#results = new Map(Object.entries(session.partial_results));
  }

  get revision(): number {
    return this.#frame.revision ?? 1;
  }

  get generation(): string {
    return this.#frame.generation ?? "";
  }

  get status(): Session["status"] {
    return this.#frame.status;
  }

  get processedCount(): number {
    return this.#processed.size;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  report(delta: ProgressDelta, revision: number, time: Micros): void {
    for (const file of delta.processed ?? []) {
      this.#pending.delete(file);
      if (!this.#processed.has(file)) this.#processed.push(file);
    }
    for (const file of delta.added ?? []) {
      if (!this.#processed.has(file) && !this.#pending.has(file)) this.#pending.push(file);
    }
    const { results } = delta;
    if (results !== undefined) {
      for (const key of Object.keys(results)) this.#results.set(key, results[key] as JsonValue);
    }
    this.#frame.revision = revision;
    this.#frame.checkpoint_time = formatTimestamp(time);
  }

  /** The whole document as it is now, apart from this object. Costs what the session holds. */
  toSession(): Session {
    return {
      ...this.#frame,
      processed_files: this.#processed.toArray(),
      pending_files: this.#pending.toArray(),
      partial_results: Object.fromEntries(this.#results),
    };
  }

  summary(bytes: number): SessionSummary {
    return {
      ...summarize(this.#frame, this.revision, bytes),
      processed_count: this.#processed.size,
      pending_count: this.#pending.size,
    };
  }

  /** What the document holds, for writing it a piece at a time; lists and results are copies. */
  parts(): { frame: Session; processed: string[]; pending: string[]; results: [string, JsonValue][] } {
    return {
      frame: { ...this.#frame },
      processed: this.#processed.toArray(),
      pending: this.#pending.toArray(),
      results: [...this.#results],
    };
  }
}
