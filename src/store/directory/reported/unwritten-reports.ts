/** The reports of one session that its file does not hold yet, oldest first, and their sizes. Pure. */
import type { ProgressDelta } from "../../../session/command.ts";
import type { Micros } from "../../../time/clock.ts";

export interface UnwrittenReport {
  delta: ProgressDelta;
  /** Place of the report in the journal, and its bytes there. */
  sequence: number;
  bytes: number;
  /** Upper bound of the bytes by which the report makes the document longer. */
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

  /** Bytes of the reports in the journal. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Upper bound of the bytes by which the reports make the document longer. */
  get growth(): number {
    return this.#growth;
  }

  /** Sequence of the newest report; undefined if there is none. */
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

  /** The reports were appended to the journal again, in their order. */
  renumber(sequences: readonly number[]): void {
    this.#reports = this.#reports.map((report, index) => ({ ...report, sequence: sequences[index] ?? 0 }));
  }
}
