/**
 * The claims of a shared worker: which files it holds, and which claims and releases wait for an answer, also
 * over lost connections. Pure: it sends nothing itself, so it can be tested with any order of events.
 */
import type { SessiondError } from "../../error.ts";

/**
 * At most this many claims are in flight. They are answered in order, so more would not be answered sooner.
 */
const maxInFlight = 8;

/** The answer to a claim. */
export interface Claimed {
  /** The files that this worker holds from now on; none if the session has no pending file, or has ended. */
  files: string[];
  /** How many files of the session are pending, whoever holds them. */
  left: number;
  /** How many shared workers the session has. */
  workers: number;
}

export interface ClaimReceipt {
  resolve(claimed: Claimed): void;
  reject(error: Error): void;
}

export interface ReleaseReceipt {
  resolve(): void;
  reject(error: Error): void;
}

interface Sending {
  /** Of the present connection; undefined until it is sent. */
  seq: number | undefined;
  /** Whether it was ever sent, so that the daemon may have acted on it. */
  sent: boolean;
}

interface Claim extends Sending {
  readonly count: number;
  readonly receipt: ClaimReceipt;
}

interface Release extends Sending {
  readonly files: readonly string[];
  /** Those of them that the worker held. */
  readonly held: readonly string[];
  readonly receipt: ReleaseReceipt;
}

export class Claims {
  readonly #nextSeq: () => number;
  /** Files that are claimed, and neither reported nor released, in the order of their claims. */
  readonly #held = new Set<string>();
  /** Files that were held, and whose report has no answer yet. */
  readonly #reporting = new Set<string>();
  /** Claims and releases without an answer, in the order of the calls. */
  #waiting: (Claim | Release)[] = [];
  #left = 0;
  #workers = 1;

  /** `nextSeq` numbers the messages of a connection. */
  constructor(nextSeq: () => number) {
    this.#nextSeq = nextSeq;
  }

  /** Files that the worker has claimed, and neither reported nor released. */
  get held(): readonly string[] {
    return [...this.#held];
  }

  /** How many files of the session were pending when the daemon last said so. */
  get left(): number {
    return this.#left;
  }

  /** How many shared workers the session had when the daemon last said so. */
  get workers(): number {
    return this.#workers;
  }

  claim(count: number, receipt: ClaimReceipt): void {
    this.#waiting.push({ count, receipt, seq: undefined, sent: false });
  }

  release(files: readonly string[], receipt: ReleaseReceipt): void {
    const held = files.filter((file) => this.#held.delete(file));
    this.#waiting.push({ files, held, receipt, seq: undefined, sent: false });
  }

  /** Files are reported. Returns those that were held. */
  report(files: readonly string[]): readonly string[] {
    const held = files.filter((file) => this.#held.delete(file));
    for (const file of held) this.#reporting.add(file);
    return held;
  }

  /** The report of files that were held is durable. */
  reported(held: readonly string[]): void {
    for (const file of held) this.#reporting.delete(file);
  }

  /** The report of files that were held was refused, so they are still claimed. */
  notReported(held: readonly string[]): void {
    this.reported(held);
    for (const file of held) this.#held.add(file);
  }

  /** The text of the next message; undefined if none is to be sent. */
  next(): string | undefined {
    let inFlight = 0;
    const one = this.#waiting.find((waiting) => {
      if (waiting.seq === undefined) return !("count" in waiting) || inFlight < maxInFlight;
      if ("count" in waiting) inFlight++;
      return false;
    });
    if (one === undefined) return undefined;
    one.seq = this.#nextSeq();
    one.sent = true;
    return JSON.stringify(
      "count" in one
        ? { type: "claim", seq: one.seq, count: one.count }
        : { type: "release", seq: one.seq, files: one.files },
    );
  }

  /** The daemon has answered a claim. */
  claimed({ seq, files, left, workers }: { seq: number; files: readonly string[] } & Omit<Claimed, "files">) {
    this.#left = left;
    this.#workers = Math.max(1, workers);
    for (const file of files) this.#held.add(file);
    const claim = this.#take(seq);
    if (claim !== undefined && "count" in claim) claim.receipt.resolve({ files: [...files], left, workers });
  }

  /** Every release up to `seq` is durable, unless it was refused. */
  acked(seq: number): void {
    const isDurable = (one: Claim | Release): one is Release =>
      !("count" in one) && one.seq !== undefined && one.seq <= seq;
    const releases = this.#waiting.filter(isDurable);
    if (releases.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !isDurable(one));
    for (const { receipt } of releases) receipt.resolve();
  }

  /** A claim or a release was refused. */
  refused(seq: number, error: SessiondError): void {
    const refused = this.#take(seq);
    if (refused === undefined) return;
    // If it was one of several files, the others are held as before.
    const isGone = error.code === "not_claimed" && "held" in refused && refused.files.length === 1;
    if ("held" in refused && !isGone) for (const file of refused.held) this.#held.add(file);
    refused.receipt.reject(error);
  }

  /** Sends a refused message again. */
  again(seq: number): void {
    const one = this.#waiting.find((waiting) => waiting.seq === seq);
    if (one !== undefined) one.seq = undefined;
  }

  /** The connection is lost: what was not answered is sent again. */
  lost(): void {
    for (const one of this.#waiting) one.seq = undefined;
  }

  /**
   * The worker is connected, again or for the first time, and this is what it has claimed. Files that it did
   * not know of are the answers that were lost: they answer the claims that wait, in their order.
   * Returns those that answer none.
   */
  attached(files: readonly string[], left: number): readonly string[] {
    this.#left = left;
    const now = new Set(files);
    for (const file of this.#held) if (!now.has(file)) this.#held.delete(file);
    const releasing = new Set(this.#waiting.flatMap((one) => ("files" in one ? one.files : [])));
    const known = [this.#held, this.#reporting, releasing];
    let unknown = files.filter((file) => !known.some((some) => some.has(file)));
    const answered = new Map<Claim, string[]>();
    const released: Release[] = [];
    for (const one of this.#waiting) {
      if ("files" in one) {
        if (one.sent && !one.files.some((file) => now.has(file))) released.push(one);
      } else if (unknown.length > 0) {
        answered.set(one, unknown.slice(0, one.count));
        unknown = unknown.slice(one.count);
      }
    }
    this.#waiting = this.#waiting.filter(
      (one) => !("count" in one ? answered.has(one) : released.includes(one)),
    );
    for (const { receipt } of released) receipt.resolve();
    for (const [{ receipt }, answer] of answered) {
      for (const file of answer) this.#held.add(file);
      receipt.resolve({ files: answer, left, workers: this.#workers });
    }
    return unknown;
  }

  /** The worker detaches: its claims end with its lease. */
  leaving(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) "count" in one ? one.receipt.reject(error) : one.receipt.resolve();
  }

  /** Nothing more will be sent or answered. */
  fail(errorFor: (sent: boolean) => Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#held.clear();
    for (const { receipt, sent } of waiting) receipt.reject(errorFor(sent));
  }

  #take(seq: number): Claim | Release | undefined {
    const at = this.#waiting.findIndex((one) => one.seq === seq);
    return at === -1 ? undefined : this.#waiting.splice(at, 1)[0];
  }
}
