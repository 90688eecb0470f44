/** What a loop of `forEach` needs: its worker, and where its files come from. */
import type { Followed } from "./follow-status.ts";
import type { LinkLoop } from "./link-owner.ts";
import type { Receipt } from "./outbox.ts";
import type { EncodedReport } from "./report.ts";

/** What a loop needs of its worker. */
export interface LoopHost extends Followed {
  /** The loop that is running, which is to be told of changes. */
  loop: LinkLoop | undefined;
  /** Whether the lease has ended, so that nothing can be reported. */
  readonly isEnded: boolean;
  /** Whether there are few enough outstanding reports to start more work. */
  readonly hasRoom: boolean;
  /** Whether any report is waiting for its answer. */
  readonly hasOutstanding: boolean;
  /** Reports a file. May call the receipt before it returns. */
  submit(report: EncodedReport, receipt: Receipt): void;
}

/** Where a loop gets its files. */
export interface LoopSource {
  /** Whether no file will come any more. */
  readonly isThrough: boolean;
  /** Whether files are here that were not refused. */
  readonly isFreshLeft: boolean;
  /** Takes the next file; undefined if none is here now. */
  next(): string | undefined;
  /** A taken file was refused, and comes again after the others. */
  defer(file: string): void;
  /** The work on a taken file has ended, and is reported. */
  ended(file: string): void;
  /** The work on a taken file has failed, and the file stays pending. */
  failed(file: string): void;
  /** The report of a taken file is durable. */
  reported(file: string): void;
  /** So many more files could begin now, beside so many that are worked on. */
  need(free: number, running: number): void;
  /** The loop has ended: it takes nothing more, and what it took and did not report stays pending. */
  end(): void;
}
