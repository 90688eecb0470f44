/** The session of a worker as far as it knows: the document that it was given, and what was acknowledged since. */
import { type JsonObject, parseJson, putMember } from "../../json/exact-json.ts";
import type { Session, Status } from "../../session/session.ts";
import { clientMaxDepth } from "../http/reply.ts";
import { type EncodedReport, none } from "./report.ts";

/** Where a file is listed: by a document that another program wrote, perhaps in both places. */
type Listed = "pending" | "processed" | "both";

/** A result is two levels down in its message. */
const messageMaxDepth = clientMaxDepth + 2;

export class SessionDocument {
  /**
   * Always as it is now. What is costly for a large session, its list of pending files and its results, is put together
   * when somebody looks.
   */
  readonly session: Session;
  /** In the order in which they became known. */
  readonly #listed: Map<string, Listed>;
  readonly #processed: string[];
  #pendingList: readonly string[] | undefined;
  readonly #results: Record<string, unknown>;
  /**
   * Messages that hold results, as they were sent: one long text costs the garbage collector nothing, where a text for each
   * result would cost it more than everything else that is done for a report.
   */
  #newMessages: string[] = [];
  readonly #keepsResults: boolean;

  /** Takes the session over: it is nobody else's any more. */
  constructor(session: Session, keepsResults = true) {
    this.#keepsResults = keepsResults;
    this.#listed = new Map(session.pending_files.map((file) => [file, "pending"]));
    this.#processed = [...session.processed_files];
    for (const file of this.#processed) this.#listed.set(file, this.isPending(file) ? "both" : "processed");
    this.#results = keepsResults ? (session.partial_results as Record<string, unknown>) : {};
    const own = { configurable: true, enumerable: true };
    this.session = Object.defineProperties(session, {
      processed_files: { ...own, value: this.#processed },
      pending_files: { ...own, get: () => this.#listPending() },
      partial_results: { ...own, get: () => this.#mergeResults() },
    });
  }

  /** Notes the files of a report that is durable. Returns those that are pending because of it. */
  apply({ processed, added }: Pick<EncodedReport, "processed" | "added">): readonly string[] {
    for (const file of processed) this.#finish(file);
    return added.length === 0 ? none : added.filter((file) => this.#find(file));
  }

  /** Notes the results in a message that is durable. */
  keepResults(message: string): void {
    if (this.#keepsResults) this.#newMessages.push(message);
  }

  isPending(file: string): boolean {
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

  #listPending(): readonly string[] {
    this.#pendingList ??= [...this.#listed.keys()].filter((file) => this.isPending(file));
    return this.#pendingList;
  }

  #mergeResults(): JsonObject {
    for (const message of this.#newMessages) {
      const { results = {} } = parseJson(message, messageMaxDepth) as { results?: JsonObject };
      for (const key of Object.keys(results)) putMember(this.#results, key, results[key] as unknown);
    }
    this.#newMessages = [];
    return this.#results as JsonObject;
  }
}
