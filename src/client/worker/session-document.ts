/** The session as its worker knows it: the document that the daemon sent, and what was acknowledged since. */
import { type JsonObject, parsePlainJson, putMember } from "../../json/exact-json.ts";
import type { Session, Status } from "../../session/session.ts";
import { clientMaxDepth } from "../http/reply.ts";
import type { EncodedReport } from "./report.ts";

/** The list that has a file. In a document that another program wrote, both may have it. */
type Listed = "pending" | "processed" | "both";

export type DocumentReport = Pick<EncodedReport, "processed" | "added" | "results">;

/** In its message a result is nested two levels deeper. */
const messageMaxDepth = clientMaxDepth + 2;

export class SessionDocument {
  /**
   * Always up to date. The lists and the results, which are costly for a large session, are only put together
   * when they are read.
   */
  readonly session: Session;
  /** All files, in the order in which they became known. */
  readonly #listed: Map<string, Listed>;
  readonly #processed: string[] = [];
  /** Files that are processed, and that the lists do not show yet. */
  #finished: string[] = [];
  #pendingList: readonly string[] | undefined;
  readonly #results: Record<string, unknown>;
  /**
   * Messages with results, as they were sent. One long text costs the garbage collector nothing, whereas a
   * text for each result would cost it more than all other work for a report.
   */
  #newMessages: string[] = [];
  readonly #keepsResults: boolean;

  /** Takes over the session object, which the caller must no longer use. */
  constructor(session: Session, { keepsResults = true } = {}) {
    this.#keepsResults = keepsResults;
    this.#listed = new Map(session.pending_files.map((file) => [file, "pending"]));
    for (const file of session.processed_files) {
      this.#processed.push(file);
      this.#listed.set(file, this.isPending(file) ? "both" : "processed");
    }
    this.#results = keepsResults ? (session.partial_results as Record<string, unknown>) : {};
    const own = { configurable: true, enumerable: true };
    this.session = Object.defineProperties(session, {
      processed_files: { ...own, get: () => this.#listProcessed() },
      pending_files: { ...own, get: () => this.#listPending() },
      partial_results: { ...own, get: () => this.#mergeResults() },
    });
  }

  /**
   * Applies the reports of a durable message. Returns the files that became pending. The results are parsed
   * from the message only when somebody reads them. A message without results is not kept.
   */
  apply(reports: readonly DocumentReport[], message: string): readonly string[] {
    const found: string[] = [];
    let hasResults = false;
    for (const { processed, added, results } of reports) {
      for (const file of processed) this.#finished.push(file);
      if (added.length > 0) this.#catchUp();
      for (const file of added) if (this.#find(file)) found.push(file);
      hasResults ||= results.length > 0;
    }
    if (hasResults && this.#keepsResults) this.#newMessages.push(message);
    return found;
  }

  isPending(file: string): boolean {
    this.#catchUp();
    const listed = this.#listed.get(file);
    return listed === "pending" || listed === "both";
  }

  setRevision(revision: number): void {
    this.session.revision = revision;
  }

  setStatus(status: Status, reason: string | null): void {
    this.session.status = status;
    if (reason === null) delete this.session.status_reason;
    else this.session.status_reason = reason;
  }

  #catchUp(): void {
    if (this.#finished.length === 0) return;
    for (const file of this.#finished) this.#finish(file);
    this.#finished = [];
  }

  #finish(file: string): void {
    const listed = this.#listed.get(file);
    if (listed === "processed") return;
    this.#listed.set(file, "processed");
    if (listed !== undefined) this.#pendingList = undefined;
    if (listed !== "both") this.#processed.push(file);
  }

  #find(file: string): boolean {
    if (this.#listed.has(file)) return false;
    this.#listed.set(file, "pending");
    this.#pendingList = undefined;
    return true;
  }

  #listProcessed(): readonly string[] {
    this.#catchUp();
    return this.#processed;
  }

  #listPending(): readonly string[] {
    this.#catchUp();
    this.#pendingList ??= [...this.#listed.keys()].filter((file) => this.isPending(file));
    return this.#pendingList;
  }

  #mergeResults(): JsonObject {
    for (const message of this.#newMessages) {
      const { results = {} } = parsePlainJson(message, messageMaxDepth) as { results?: JsonObject };
      for (const key of Object.keys(results)) putMember(this.#results, key, results[key] as unknown);
    }
    this.#newMessages = [];
    return this.#results as JsonObject;
  }
}
