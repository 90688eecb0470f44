/** The answers to a worker's messages, in order. Pure. */
import type { DaemonMessage } from "../../contract/channel.ts";
import type { SessiondError } from "../../error.ts";
import { publicMessage } from "../http/error-reply.ts";

/**
 * Answered messages stay at the start of the list until there are this many, as removing them moves the
 * others.
 */
const clearAfter = 1000;

/** What became of a message: it is durable, it was refused, or it has an answer of its own, or none. */
type Outcome = { revision: number } | { error: SessiondError } | { answer: DaemonMessage | undefined };

export interface Owed {
  readonly seq: number;
  readonly bytes: number;
  /** Undefined while the message is in progress. */
  outcome: Outcome | undefined;
}

/** Messages in the order of arrival, until each is answered, after all those before it. */
class Queue {
  readonly #owed: Owed[] = [];
  /** The index of the first message without an answer. */
  #first = 0;

  get count(): number {
    return this.#owed.length - this.#first;
  }

  push(owed: Owed): void {
    this.#owed.push(owed);
  }

  /** Removes and returns the first message if its answer is due. */
  shift(): Owed | undefined {
    const owed = this.#owed[this.#first];
    if (owed?.outcome === undefined) return undefined;
    this.#first++;
    if (this.#first > clearAfter || this.#first === this.#owed.length) {
      this.#owed.splice(0, this.#first);
      this.#first = 0;
    }
    return owed;
  }
}

/**
 * Reports and releases are answered in order, so that one ack can answer many. Claims are answered in order
 * among themselves, because a claim may wait for long: an ack overtakes it.
 */
export class Answers {
  readonly #acked = new Queue();
  readonly #claims = new Queue();
  #bytes = 0;

  /** The number of messages without an answer. */
  get count(): number {
    return this.#acked.count + this.#claims.count;
  }

  /** The size of the messages without an answer. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a report or a release. Its answer is due once the caller has set the outcome. */
  expect(seq: number, bytes: number): Owed {
    return this.#add(this.#acked, seq, bytes);
  }

  /** Adds a claim. Its answer is due once the caller has set the outcome. */
  expectClaim(seq: number, bytes: number): Owed {
    return this.#add(this.#claims, seq, bytes);
  }

  /**
   * Removes and returns the answers that are due: errors, then at most one ack for all other reports and
   * releases, then those to claims.
   */
  take(): DaemonMessage[] {
    const messages: DaemonMessage[] = [];
    let ack: DaemonMessage | undefined;
    for (const queue of [this.#acked, this.#claims]) {
      for (let owed = queue.shift(); owed !== undefined; owed = queue.shift()) {
        const { seq, bytes, outcome } = owed as Owed & { outcome: Outcome };
        this.#bytes -= bytes;
        if ("error" in outcome) messages.push(errorMessage(outcome.error, seq));
        else if (!("answer" in outcome)) ack = { type: "ack", seq, revision: outcome.revision };
        else if (outcome.answer !== undefined) messages.push(outcome.answer);
      }
      if (ack !== undefined) messages.push(ack);
      ack = undefined;
    }
    return messages;
  }

  #add(queue: Queue, seq: number, bytes: number): Owed {
    const owed = { seq, bytes, outcome: undefined };
    queue.push(owed);
    this.#bytes += bytes;
    return owed;
  }
}

function errorMessage(error: SessiondError, seq: number): DaemonMessage {
  const { code, outcome } = error;
  return {
    type: "error",
    code,
    detail: publicMessage(error),
    seq,
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}
