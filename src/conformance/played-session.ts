/** The session of a scenario: its files, what became of them, and who has claimed which. No I/O. */
import type { JsonObject } from "../json/exact-json.ts";
import { parseJson } from "../json/exact-json.ts";
import type { ProgressDelta } from "../session/command.ts";
import { newSession, type Session, type SessionSummary, type Status, summarize } from "../session/session.ts";
import type { Scenario } from "./scenario.ts";

const startTime = "2026-01-01T00:00:00.000Z";

export class PlayedSession {
  readonly id: string;
  status: Status;
  reason: string | null = null;
  /** Files that the worker knows: it was sent them, or has added them. */
  readonly known = new Set<string>();
  readonly pending: Set<string>;
  readonly processed = new Set<string>();
  readonly #claims = new Map<string, "worker" | "other">();
  readonly #document: Session;
  #results: JsonObject;
  #revision = 1;
  #onFree: () => void = () => {};

  constructor({ id = "check-worker", files, config = "{}", results = "{}", ...scenario }: Scenario) {
    this.id = id;
    this.status = scenario.isPaused === true ? "paused" : "running";
    this.pending = new Set(files);
    for (const file of files.slice(0, scenario.claimedByOther ?? 0)) this.#claims.set(file, "other");
    const more = parseJson(config) as JsonObject;
    this.#document = newSession(
      { session_id: id, config: { target_path: ".", ...more } },
      "played",
      startTime,
    );
    this.#results = parseJson(results) as JsonObject;
  }

  get revision(): number {
    return this.#revision;
  }

  /** How many workers there are, the one that is checked included. */
  get workers(): number {
    return 1 + ([...this.#claims.values()].includes("other") ? 1 : 0);
  }

  /** Called when files may be free to claim, or nothing is pending any more. */
  set onFree(listener: () => void) {
    this.#onFree = listener;
  }

  document(): Session {
    return {
      ...this.#document,
      status: this.status,
      processed_files: [...this.processed],
      pending_files: [...this.pending],
      partial_results: this.#results,
      revision: this.#revision,
      status_reason: this.reason,
    };
  }

  summary(): SessionSummary {
    return summarize(this.document(), this.#revision, 1000);
  }

  /** Keeps a report. */
  keep({ processed = [], results = {}, added = [] }: ProgressDelta): void {
    for (const file of added) {
      this.known.add(file);
      if (!this.processed.has(file)) this.pending.add(file);
    }
    for (const file of processed) this.#process(file);
    this.#results = { ...this.#results, ...results };
    this.#changed();
  }

  changeStatus(status: Status, reason: string | null): void {
    this.status = status;
    this.reason = reason;
    this.#changed();
  }

  /** What others do: a file is done, or there is a new one. */
  processedByOther(file: string): void {
    this.#process(file);
    this.#changed();
  }

  add(file: string): void {
    this.pending.add(file);
    this.#changed();
  }

  /** Whether the checked worker has claimed the file. */
  isClaimed(file: string): boolean {
    return this.#claims.get(file) === "worker";
  }

  /** The files that the checked worker has claimed, in order. */
  claimed(): string[] {
    return [...this.pending].filter((file) => this.isClaimed(file));
  }

  /** The files that another worker has claimed. */
  claimedByOther(): string[] {
    return [...this.pending].filter((file) => this.#claims.get(file) === "other");
  }

  /** Gives the checked worker up to so many files; none if none is free. */
  take(count: number): string[] {
    const free = [...this.pending].filter((file) => !this.#claims.has(file));
    const fairPart = Math.max(1, Math.ceil(free.length / this.workers));
    const files = free.slice(0, Math.min(count, fairPart));
    for (const file of files) this.#claims.set(file, "worker");
    return files;
  }

  /** Files are free again, whoever had them. */
  giveBack(files: readonly string[]): void {
    for (const file of files) this.#claims.delete(file);
    this.#changed();
  }

  #process(file: string): void {
    this.pending.delete(file);
    this.processed.add(file);
    this.#claims.delete(file);
  }

  #changed(): void {
    this.#revision++;
    this.#onFree();
  }
}
