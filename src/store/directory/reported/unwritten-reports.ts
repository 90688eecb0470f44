/** The reports of one session that its file does not hold yet, oldest first, and what they weigh. Pure. */
import type { ProgressDelta } from "../../../session/command.ts";
import type { Micros } from "../../../time/clock.ts";

export interface UnwrittenReport {
  delta: ProgressDelta;
  /** Its place in the journal, and how many bytes it has there. */
  sequence: number;
  bytes: number;
  /** At most how many bytes the document grows by it. */
  growth: number;
  time: Micros;
}

export class UnwrittenReports implements Iterable<UnwrittenReport> {
  #reports: UnwrittenReport[] = [];
  #bytes = 0;
  #growth = 0;

  get count(): number {
    return this.#reports.length;
  }

  /** In the journal. */
  get bytes(): number {
    return this.#bytes;
  }

  /** At most how many bytes the document has grown since it was written. */
  get growth(): number {
    return this.#growth;
  }

  /** The sequence of the newest report; undefined if there is none. */
  get last(): number | undefined {
    return this.#reports.at(-1)?.sequence;
  }

  [Symbol.iterator](): Iterator<UnwrittenReport> {
    return this.#reports[Symbol.iterator]();
  }

  add(report: UnwrittenReport): void {
    this.#reports.push(report);
    this.#bytes += report.bytes;
    this.#growth += report.growth;
  }

  /** The file holds every report up to a sequence. */
  dropUpTo(sequence: number): void {
    this.#reports = this.#reports.filter((report) => report.sequence > sequence);
    this.#bytes = this.#reports.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#growth = this.#reports.reduce((sum, { growth }) => sum + growth, 0);
  }

  /** They were written into the journal anew, in their order. */
  renumber(sequences: readonly number[]): void {
    this.#reports = this.#reports.map((report, index) => ({ ...report, sequence: sequences[index] ?? 0 }));
  }
}
