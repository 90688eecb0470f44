/**
 * The queue of outstanding reports: which are merged into one message, how many messages are in flight, and
 * which reports an answer completes. It sends nothing itself, so it can be tested with any order of events.
 */
import { isSessiondError, type SessiondError } from "../../error.ts";
import { type EncodedReport, progressText, type Reported } from "./report.ts";

/** At most this many messages are in flight. Reports made meanwhile are merged into the next message. */
const maxInFlight = 8;
/** The limits of a message with several reports. A single report may be larger. */
const maxMessageSize = 1024 * 1024;
const maxMessageFiles = 5000;
/**
 * A message has at most one of this many parts of all outstanding reports, so that both sides work at the
 * same time.
 */
const parts = 4;
const leastMessageFiles = 64;

/** Called when a report is durable, with the revision, or when it has failed. */
export interface Receipt {
  resolve(reported: Reported): void;
  reject(error: Error): void;
}

export interface Parcel {
  /** Grows from report to report. */
  readonly ordinal: number;
  readonly report: EncodedReport;
  readonly receipt: Receipt;
  /** Whether it was part of a message, so that the daemon may have it. */
  sent: boolean;
  /** Whether it must be sent alone, because it was in a message that was refused and may be the cause. */
  alone: boolean;
}

/** Reports that are merged into one message. */
export interface Message {
  readonly seq: number;
  readonly parcels: readonly Parcel[];
  readonly text: string;
}

export class Outbox {
  #waiting: Parcel[] = [];
  #inFlight: Message[] = [];
  readonly #nextSeq: () => number;
  #lastOrdinal = 0;
  #maxSize = maxMessageSize;
  /**
   * Whether older reports wait than those in flight. Those in flight are answered first, as their results are
   * newer.
   */
  #isBehind = false;
  #count = 0;
  #size = 0;

  /** `nextSeq` numbers the messages of a connection. */
  constructor(nextSeq: () => number) {
    this.#nextSeq = nextSeq;
  }

  /** The number of outstanding reports, which are neither acknowledged nor refused. */
  get count(): number {
    return this.#count;
  }

  /** The size of the outstanding reports, roughly in characters. */
  get size(): number {
    return this.#size;
  }

  /** Whether enough reports wait for a message, so that waiting for more is of no use. */
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

  /** The text of the next message; undefined if none is to be sent now. */
  next(): string | undefined {
    if (this.#waiting.length === 0 || this.#inFlight.length >= maxInFlight) return undefined;
    if (this.#isBehind && this.#inFlight.length > 0) return undefined;
    this.#isBehind = false;
    const parcels = this.#take();
    for (const parcel of parcels) parcel.sent = true;
    const seq = this.#nextSeq();
    const reports = parcels.map(({ report }) => report);
    const text = progressText(seq, reports);
    this.#inFlight.push({ seq, parcels, text });
    return text;
  }

  /** Removes and returns the messages up to `seq`, which are durable. The caller must call their receipts. */
  acked(seq: number): Message[] {
    const after = this.#inFlight.findIndex((message) => message.seq > seq);
    const messages = this.#inFlight.splice(0, after === -1 ? this.#inFlight.length : after);
    for (const { parcels } of messages) for (const { report } of parcels) this.#uncount(report);
    if (this.#isBehind) this.#waiting = withoutReplaced(this.#waiting, messages);
    return messages;
  }

  /** Handles a refused message. If one report among several may be the cause, each is sent again alone. */
  refused(seq: number, error: SessiondError): void {
    const message = this.#inFlight.find((one) => one.seq === seq);
    if (message === undefined) return;
    const mayBeOne = isSessiondError(error, "invalid_request", "payload_too_large", "not_claimed");
    if (mayBeOne && message.parcels.length > 1) {
      this.again(seq, { alone: true });
      return;
    }
    this.#inFlight.splice(this.#inFlight.indexOf(message), 1);
    this.#reject(message.parcels, () => error);
  }

  /** Sends the reports of a refused message again, in their order among those that wait. */
  again(seq: number, { alone = false } = {}): void {
    const at = this.#inFlight.findIndex((message) => message.seq === seq);
    if (at === -1) return;
    const [{ parcels }] = this.#inFlight.splice(at, 1) as [Message];
    const back = parcels.map((parcel) => ({ ...parcel, alone: alone || parcel.alone }));
    this.#waiting = inOrder([...back, ...this.#waiting]);
    this.#isBehind = true;
  }

  /** Handles a lost connection: the messages in flight are sent again, in the same order. */
  lost(): void {
    this.#waiting = inOrder([...this.#inFlight.flatMap((message) => message.parcels), ...this.#waiting]);
    this.#inFlight = [];
  }

  /**
   * Removes and returns the reports that are known to be durable although no ack has come: those that were
   * sent, are not in flight, and whose receipt says so. The caller must call their receipts.
   */
  settled(isDurable: (receipt: Receipt) => boolean): Parcel[] {
    const settled = new Set(this.#waiting.filter(({ sent, receipt }) => sent && isDurable(receipt)));
    if (settled.size === 0) return [];
    for (const { report } of settled) this.#uncount(report);
    const left = this.#waiting.filter((parcel) => !settled.has(parcel));
    this.#waiting = withoutReplaced(left, [{ parcels: [...settled] }]);
    return [...settled];
  }

  /**
   * Handles a message that the daemon found too large, which must be the largest in flight. If it has several
   * reports, messages are smaller from now on; else its one report is refused.
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

  /** Rejects all outstanding reports, because nothing more will be sent or answered. */
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
      this.#uncount(parcel.report);
      parcel.receipt.reject(errorFor(parcel));
    }
  }

  #uncount({ size }: EncodedReport): void {
    this.#count--;
    this.#size -= size;
  }
}

/** Removes results for which a later report with the same key is durable already. */
function withoutReplaced(waiting: readonly Parcel[], durable: readonly Pick<Message, "parcels">[]): Parcel[] {
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
