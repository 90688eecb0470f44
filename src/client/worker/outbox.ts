/**
 * Reports on their way: which ride together in a message, how many messages are in flight, and which reports an answer settles.
 * It sends nothing itself, so that it can be tried in every order of events.
 */
import type { SessiondError } from "../../error.ts";
import { type EncodedReport, progressText, type Reported } from "./report.ts";

/** So many messages go out without waiting for an answer; what is reported meanwhile rides together in the next. */
const maxInFlight = 8;
/** Of a message that holds several reports. A single report has the size that it has. */
const maxMessageSize = 1024 * 1024;
const maxMessageFiles = 5000;
/** Of what is not settled a message holds at most one part of these, so that both sides work at the same time. */
const parts = 4;
const leastMessageFiles = 64;

/** Told when a report is durable, and at which revision, or that it is not. */
export interface Receipt {
  resolve(reported: Reported): void;
  reject(error: Error): void;
}

export interface Parcel {
  /** Grows from report to report. */
  readonly ordinal: number;
  readonly report: EncodedReport;
  readonly receipt: Receipt;
  /** It was part of a message, so that the daemon may have it. */
  sent: boolean;
  /** It rode in a message that was refused, and may be to blame. */
  alone: boolean;
}

/** Reports that ride together. */
export interface Message {
  readonly seq: number;
  readonly parcels: readonly Parcel[];
  readonly text: string;
}

export class Outbox {
  #waiting: Parcel[] = [];
  #inFlight: Message[] = [];
  #lastSeq = 0;
  #lastOrdinal = 0;
  #maxSize = maxMessageSize;
  /** Reports wait that are older than some in flight, whose results are to be the last: those go first. */
  #isBehind = false;
  #count = 0;
  #size = 0;

  /** Reports that are not settled. */
  get count(): number {
    return this.#count;
  }

  /** Their size, roughly in characters. */
  get size(): number {
    return this.#size;
  }

  /** So much waits that it is worth a message of its own, whatever else may come. */
  get isPartFull(): boolean {
    return this.#waiting.length >= this.#partFiles;
  }

  get #partFiles(): number {
    return Math.min(maxMessageFiles, Math.max(leastMessageFiles, this.#count / parts));
  }

  add(report: EncodedReport, receipt: Receipt): void {
    this.#count++;
    this.#size += report.size;
    this.#waiting.push({ ordinal: ++this.#lastOrdinal, report, receipt, sent: false, alone: false });
  }

  /** The text of the next message; undefined while none is to be sent. */
  next(): string | undefined {
    if (this.#waiting.length === 0 || this.#inFlight.length >= maxInFlight) return undefined;
    if (this.#isBehind && this.#inFlight.length > 0) return undefined;
    this.#isBehind = false;
    const parcels = this.#take();
    for (const parcel of parcels) parcel.sent = true;
    const seq = ++this.#lastSeq;
    const reports = parcels.map(({ report }) => report);
    const text = progressText(seq, reports);
    this.#inFlight.push({ seq, parcels, text });
    return text;
  }

  /** Every message up to this one is durable. Whoever asks tells the receipts. */
  acked(seq: number): Message[] {
    const after = this.#inFlight.findIndex((message) => message.seq > seq);
    const messages = this.#inFlight.splice(0, after === -1 ? this.#inFlight.length : after);
    for (const { parcels } of messages) for (const { report } of parcels) this.#settle(report);
    if (this.#isBehind) this.#waiting = withoutReplaced(this.#waiting, messages);
    return messages;
  }

  /** A message was refused. If that may be the fault of one report among several, each is sent again alone. */
  refused(seq: number, error: SessiondError): void {
    const message = this.#inFlight.find((one) => one.seq === seq);
    if (message === undefined) return;
    const mayBeOne = error.code === "invalid_request" || error.code === "payload_too_large";
    if (mayBeOne && message.parcels.length > 1) {
      this.again(seq, true);
      return;
    }
    this.#inFlight.splice(this.#inFlight.indexOf(message), 1);
    this.#reject(message.parcels, () => error);
  }

  /** A message was refused, and is to be sent again, in its place among those that wait. */
  again(seq: number, alone = false): void {
    const at = this.#inFlight.findIndex((message) => message.seq === seq);
    if (at === -1) return;
    const [{ parcels }] = this.#inFlight.splice(at, 1) as [Message];
    const back = parcels.map((parcel) => ({ ...parcel, alone: alone || parcel.alone }));
    this.#waiting = inOrder([...back, ...this.#waiting]);
    this.#isBehind = true;
  }

  /** The connection was lost: what was in flight is to be sent again, in the same order. */
  lost(): void {
    this.#waiting = inOrder([...this.#inFlight.flatMap((message) => message.parcels), ...this.#waiting]);
    this.#inFlight = [];
  }

  /**
   * A message was larger than the daemon takes, which can only be the largest in flight: messages are smaller from now
   * on, or the one report in it is refused.
   */
  tooLarge(error: SessiondError): void {
    let [largest, most] = [undefined as Message | undefined, 0];
    for (const message of this.#inFlight) {
      const size = Buffer.byteLength(message.text);
      if (size > most) [largest, most] = [message, size];
    }
    if (largest === undefined) return;
    if (largest.parcels.length > 1) this.#maxSize = Math.min(this.#maxSize, most) / 2;
    else this.refused(largest.seq, error);
  }

  /** Nothing more will be sent or answered. */
  fail(errorFor: (sent: boolean) => Error): void {
    this.lost();
    const parcels = this.#waiting;
    this.#waiting = [];
    this.#reject(parcels, ({ sent }) => errorFor(sent));
  }

  #take(): Parcel[] {
    let size = 0;
    let files = 0;
    let count = 0;
    const mostFiles = this.#partFiles;
    for (const parcel of this.#waiting) {
      const { processed, results, added } = parcel.report;
      size += parcel.report.size;
      files += Math.max(processed.length, results.length / 2, added.length);
      if (count > 0 && (parcel.alone || size > this.#maxSize || files > mostFiles)) break;
      count++;
      if (parcel.alone) break;
    }
    return this.#waiting.splice(0, count);
  }

  #reject(parcels: readonly Parcel[], errorFor: (parcel: Parcel) => Error): void {
    for (const parcel of parcels) {
      this.#settle(parcel.report);
      parcel.receipt.reject(errorFor(parcel));
    }
  }

  #settle({ size }: EncodedReport): void {
    this.#count--;
    this.#size -= size;
  }
}

/** Without the results that reports which were made later, and are durable already, have replaced. */
function withoutReplaced(waiting: readonly Parcel[], durable: readonly Message[]): Parcel[] {
  const latest = new Map<string, number>();
  for (const { ordinal, report } of durable.flatMap(({ parcels }) => parcels)) {
    for (let at = 0; at < report.results.length; at += 2) {
      const key = report.results[at] as string;
      latest.set(key, Math.max(ordinal, latest.get(key) ?? 0));
    }
  }
  return waiting.map((parcel) => {
    const { results } = parcel.report;
    const isLatest = (_: string, at: number) =>
      (latest.get(results[at - (at % 2)] as string) ?? 0) < parcel.ordinal;
    return { ...parcel, report: { ...parcel.report, results: results.filter(isLatest) } };
  });
}

function inOrder(parcels: Parcel[]): Parcel[] {
  return parcels.sort((one, other) => one.ordinal - other.ordinal);
}
