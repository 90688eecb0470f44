/** The answers to a worker's progress messages, in order. Pure. */
import type { DaemonMessage } from "../../contract/channel.ts";
import type { SessiondError } from "../../error.ts";
import { publicMessage } from "../http/error-reply.ts";

/**
 * Answered messages stay at the start of the list until there are this many, as removing them moves the
 * others.
 */
const clearAfter = 1000;

interface Owed {
  readonly seq: number;
  readonly bytes: number;
  /** Undefined while the report is in progress. */
  outcome: { revision: number } | { error: SessiondError } | undefined;
}

/**
 * Progress messages in the order of arrival, until each is answered. A message is answered after all those
 * before it, so that one ack can answer many.
 */
export class Answers {
  readonly #owed: Owed[] = [];
  /** The index of the first message without an answer. */
  #first = 0;
  #bytes = 0;

  /** The number of messages without an answer. */
  get count(): number {
    return this.#owed.length - this.#first;
  }

  /** The size of the messages without an answer. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a message. Its answer is due once the caller has set the outcome. */
  expect(seq: number, bytes: number): Owed {
    const owed = { seq, bytes, outcome: undefined };
    this.#owed.push(owed);
    this.#bytes += bytes;
    return owed;
  }

  /** Removes and returns the answers that are due: errors, then at most one ack for all other messages. */
  take(): DaemonMessage[] {
    const messages: DaemonMessage[] = [];
    let ack: DaemonMessage | undefined;
    for (; this.#first < this.#owed.length; this.#first++) {
      const { seq, bytes, outcome } = this.#owed[this.#first] as Owed;
      if (outcome === undefined) break;
      this.#bytes -= bytes;
      if ("error" in outcome) messages.push(errorMessage(outcome.error, seq));
      else ack = { type: "ack", seq, revision: outcome.revision };
    }
    if (this.#first > clearAfter || this.#first === this.#owed.length) {
      this.#owed.splice(0, this.#first);
      this.#first = 0;
    }
    if (ack !== undefined) messages.push(ack);
    return messages;
  }
}

export function errorMessage(error: SessiondError, seq?: number): DaemonMessage {
  const { code, outcome } = error;
  return {
    type: "error",
    code,
    detail: publicMessage(error),
    ...(seq === undefined ? {} : { seq }),
    ...(outcome === "unknown" ? { outcome } : {}),
  };
}
