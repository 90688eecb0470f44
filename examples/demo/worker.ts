/** The worker of the demo, which uses only the client's calls for progress. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ConnectionError, type SessionClient } from "../../src/client/index.ts";
import { type Measurement, measure } from "./source-files.ts";

const filesPerReport = 10;
const reportsInFlight = 4;

/** Why a worker stopped. */
export type Stop = "finished" | "paused" | "disconnected";

interface Report {
  processed: readonly string[];
  results: Readonly<Record<string, Measurement>>;
}

/**
 * Measures the files of a session and reports them, with a few reports in flight at a time. A file is done
 * when its report is acknowledged. No file is read twice: reports without an acknowledgement are kept and
 * sent again.
 */
export class Worker {
  /** How often each file was read. */
  readonly reads = new Map<string, number>();
  readonly acknowledged = new Map<string, Measurement>();
  /** The times from sending a report to its acknowledgement. */
  readonly latenciesMs: number[] = [];
  /** The number of reports without an answer. */
  inFlight = 0;
  workingMs = 0;
  #unacknowledged: Report[] = [];
  readonly #client: SessionClient;
  readonly #id: string;
  readonly #root: string;

  /** @param root the directory that the names of the session's files are relative to */
  constructor(client: SessionClient, id: string, root: string) {
    this.#client = client;
    this.#id = id;
    this.#root = root;
  }

  get unacknowledged(): readonly Report[] {
    return this.#unacknowledged;
  }

  /**
   * Works until all files are done, the session is paused, or the daemon is gone. Files that have been read
   * by then are still reported.
   */
  async work(pending: readonly string[], onAcknowledged: () => unknown): Promise<Stop> {
    const startedAt = performance.now();
    const batches = inBatches(pending);
    let stop: Stop = "finished";
    const lane = async () => {
      while (stop === "finished") {
        const { value: files } = batches.next();
        if (files === undefined) return;
        const answer = await this.#report(await this.#read(files));
        if (answer !== "running") stop = answer;
        await onAcknowledged();
      }
    };
    await Promise.all(Array.from({ length: reportsInFlight }, lane));
    this.workingMs += performance.now() - startedAt;
    return stop;
  }

  /** Sends the unacknowledged reports again. */
  async reportAgain(): Promise<void> {
    const startedAt = performance.now();
    const reports = this.#unacknowledged;
    this.#unacknowledged = [];
    for (const report of reports) assert.equal(await this.#report(report), "running");
    this.workingMs += performance.now() - startedAt;
  }

  async #read(files: readonly string[]): Promise<Report> {
    const results: Record<string, Measurement> = {};
    for (const file of files) {
      this.reads.set(file, (this.reads.get(file) ?? 0) + 1);
      results[file] = await measure(join(this.#root, file));
    }
    return { processed: files, results };
  }

  async #report(report: Report): Promise<"running" | "paused" | "disconnected"> {
    const sentAt = performance.now();
    this.inFlight++;
    try {
      const { status } = await this.#client.reportProgress(this.#id, report);
      this.latenciesMs.push(performance.now() - sentAt);
      for (const [file, result] of Object.entries(report.results)) this.acknowledged.set(file, result);
      assert.ok(status === "running" || status === "paused", `the session is ${status} during the work`);
      return status;
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#unacknowledged.push(report);
      return "disconnected";
    } finally {
      this.inFlight--;
    }
  }
}

function* inBatches(files: readonly string[]): Generator<readonly string[], undefined> {
  for (let at = 0; at < files.length; at += filesPerReport) yield files.slice(at, at + filesPerReport);
}
