/**
 * A session in memory while reports come in. The cost of a report follows the report, not the session. A
 * report has the same effect as `applyProgress` has on the document; a test holds the two together.
 *
 * The room session/working/ owns a session in memory, in a form in which a report costs what the report
 * holds. It is pure, and does not know where the session is stored.
 */

import { eachInSlices } from "../../async/slices.ts";
import { type JsonValue, putMember } from "../../json/exact-json.ts";
import { formatTimestamp, type Micros, parseTimestamp } from "../../time/clock.ts";
import type { ProgressDelta } from "../command.ts";
import { type Session, type SessionSummary, summarize } from "../session.ts";
import { FileLists } from "./file-lists.ts";
import { type Result, ResultMap } from "./result-map.ts";

/** The lists and results of a document in the form in which they are kept; undefined if not made yet. */
export interface PreparedDocument {
  readonly files: FileLists | undefined;
  readonly results: ResultMap | undefined;
}

/** The outcome of a report for the lists and results, before anybody sees it. */
export interface PreparedReport {
  readonly version: number;
  readonly files: FileLists;
  readonly results: ResultMap;
}

/** A document in parts, for reading or writing it a piece at a time. */
export interface SessionParts {
  /** The document. Its lists and results are placeholders. */
  frame: Session;
  processed: readonly string[];
  pending: readonly string[];
  results: Iterable<Result>;
}

export class WorkingSession {
  /** The document. Its lists and results are empty placeholders. */
  #frame!: Session;
  #files!: FileLists;
  #results!: ResultMap;
  /** The time of the last activity; undefined if the frame has it. */
  #time: Micros | undefined;
  #version = 0;

  constructor(session: Session) {
    this.replace(session);
  }

  /** As the constructor, in slices. */
  static async load(session: Session): Promise<WorkingSession> {
    const live = new WorkingSession({
      ...session,
      processed_files: [],
      pending_files: [],
      partial_results: {},
    });
    live.#files = await FileLists.load(session.processed_files, session.pending_files);
    live.#results = await ResultMap.load(session.partial_results);
    return live;
  }

  /** Grows each time the document is replaced. */
  get version(): number {
    return this.#version;
  }

  /** Does in slices what `replace` would do in one go, for the same documents. */
  static async prepareDocument(session: Session, before: Session): Promise<PreparedDocument> {
    const { processed_files: processed, pending_files: pending, partial_results: results } = session;
    return {
      files: hasSameFiles(session, before) ? undefined : await FileLists.load(processed, pending),
      results: results === before.partial_results ? undefined : await ResultMap.load(results),
    };
  }

  /**
   * Replaces the document. `before` is the document that `session` was made from, if this session gave it
   * out: lists and results that are still the same objects cost nothing.
   */
  replace(session: Session, before?: Session, prepared?: PreparedDocument): void {
    this.#version++;
    this.#frame = { ...session, processed_files: [], pending_files: [], partial_results: {} };
    this.#time = undefined;
    const { processed_files: processed, pending_files: pending, partial_results: results } = session;
    if (!hasSameFiles(session, before)) this.#files = prepared?.files ?? new FileLists(processed, pending);
    if (results !== before?.partial_results) this.#results = prepared?.results ?? new ResultMap(results);
  }

  /** Replaces all of the document but its lists and results. */
  reframe(frame: Session): void {
    this.#version++;
    this.#frame = { ...frame, processed_files: [], pending_files: [], partial_results: {} };
    this.#time = undefined;
  }

  get revision(): number {
    return this.#frame.revision ?? 1;
  }

  get status(): Session["status"] {
    return this.#frame.status;
  }

  /** The lists as they are now. Whoever gets them must not change them. */
  get files(): FileLists {
    return this.#files;
  }

  get processedCount(): number {
    return this.#files.processedCount;
  }

  get pendingCount(): number {
    return this.#files.pendingCount;
  }

  /**
   * Applies a large report to copies of the lists and results, in slices. Until `report` is called with the
   * outcome, everybody sees the session without the report. No other report may be applied meanwhile.
   */
  async prepare({ processed, added, results }: ProgressDelta): Promise<PreparedReport> {
    const version = this.#version;
    const [files, map] = [this.#files, this.#results];
    const changesFiles = processed !== undefined || added !== undefined;
    return {
      version,
      files: changesFiles ? await files.changed(processed ?? [], added ?? []) : files,
      results: results === undefined ? map : await map.changed(results),
    };
  }

  /** Applies a report that was made at `time`. `prepared` is not used if the document was replaced since. */
  report(delta: ProgressDelta, revision: number, time: Micros, prepared?: PreparedReport): void {
    if (prepared?.version === this.#version) {
      this.#files = prepared.files;
      this.#results = prepared.results;
    } else this.#apply(delta);
    this.#frame.revision = revision;
    this.#time = time;
  }

  #apply({ processed, added, results }: ProgressDelta): void {
    if (processed !== undefined) for (const file of processed) this.#files.finish(file);
    if (added !== undefined) for (const file of added) this.#files.add(file);
    if (results !== undefined) {
      for (const key of Object.keys(results)) this.#results.set(key, results[key] as JsonValue);
    }
  }

  /** Applies a report again, or late: the later one of the two times stays the last activity. */
  reapply(delta: ProgressDelta, revision: number, time: Micros): void {
    const last = this.#time ?? parseTimestamp(this.#frame.checkpoint_time) ?? 0;
    const { checkpoint_time } = this.#current();
    this.report(delta, revision, time);
    if (last < time) return;
    this.#time = undefined;
    this.#frame.checkpoint_time = checkpoint_time;
  }

  /**
   * Resolves with a copy of the whole document as it is at the call. Put together in slices: the cost follows
   * the session.
   */
  toSession(): Promise<Session> {
    return this.withSnapshot(collect);
  }

  /** Calls `use` with the document as it is at the call. The parts stay so until its promise settles. */
  withSnapshot<T>(use: (parts: SessionParts) => Promise<T>): Promise<T> {
    const frame = { ...this.#current() };
    const [processed, pending] = [this.#files.processed(), this.#files.pending()];
    return this.#results.withSnapshot((results) => use({ frame, processed, pending, results }));
  }

  summary(bytes: number): SessionSummary {
    return {
      ...summarize(this.#current(), this.revision, bytes),
      processed_count: this.processedCount,
      pending_count: this.pendingCount,
    };
  }

  #current(): Session {
    if (this.#time !== undefined) this.#frame.checkpoint_time = formatTimestamp(this.#time);
    this.#time = undefined;
    return this.#frame;
  }
}

function hasSameFiles(session: Session, before: Session | undefined): boolean {
  const { processed_files: processed, pending_files: pending } = session;
  return processed === before?.processed_files && pending === before.pending_files;
}

async function collect({ frame, processed, pending, results }: SessionParts): Promise<Session> {
  const partial_results: Record<string, JsonValue> = {};
  await eachInSlices(results, ([key, result]) => putMember(partial_results, key, result));
  return { ...frame, processed_files: processed, pending_files: pending, partial_results };
}
